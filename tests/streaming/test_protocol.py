"""The state table, the query of raw mode and the binary header."""

from __future__ import annotations

import itertools

import pytest

from streaming.errors import BadMessage, NotSupportedYet
from streaming.protocol import (
    HEADER_BYTES,
    MOVES,
    Event,
    Mode,
    Protocol,
    State,
    check_input,
    pack_header,
    parse_query,
    unpack_header,
)


@pytest.mark.parametrize(("mode", "state", "event"), [
    (mode, state, event) for mode, table in MOVES.items() for state, event in itertools.product(table, Event)
])  # fmt: skip
def test_the_table_is_the_whole_truth(mode: Mode, state: State, event: Event) -> None:
    protocol = Protocol(mode)
    protocol.state = state
    if event in MOVES[mode][state]:
        assert protocol.receive(event) is MOVES[mode][state][event]
        return
    with pytest.raises(BadMessage) as refused:
        protocol.receive(event)
    assert refused.value.details["got"] == event.value
    assert protocol.state is state


def test_a_framed_session_from_start_to_end() -> None:
    protocol = Protocol("framed")
    events = (Event.PING, Event.START, Event.BINARY, Event.UPDATE, Event.REMOVE, Event.FLUSH, Event.END, Event.BINARY)
    states = [protocol.receive(event) for event in events]
    assert states[1] is State.RUNNING
    assert states[-1] is State.ENDING


def test_sound_before_start_says_what_to_do() -> None:
    with pytest.raises(BadMessage, match=r"\?prompt="):
        Protocol("framed").receive(Event.BINARY)


def test_raw_defaults() -> None:
    request = parse_query("prompt=man%20speaking")
    assert request is not None
    assert (request.audio.encoding, request.audio.sample_rate, request.audio.channels) == ("pcm_s16le", 48000, 1)
    assert (request.output_rate, request.target, request.residual) == (48000, True, False)
    assert request.targets[0].prompt == "man speaking"


def test_raw_in_full() -> None:
    request = parse_query(
        "prompt=dog+barking&sample_rate=44100&encoding=pcm_f32le&channels=2&output=residual&output_sample_rate=16000"
        "&model=flat256"
    )
    assert request is not None
    assert (request.audio.encoding, request.audio.sample_rate, request.audio.channels) == ("pcm_f32le", 44100, 2)
    assert (request.output_rate, request.target, request.residual, request.model) == (16000, False, True, "flat256")


@pytest.mark.parametrize("query", ["", "sample_rate=16000", "model=default"])
def test_without_a_prompt_it_is_framed_mode(query: str) -> None:
    assert parse_query(query) is None


@pytest.mark.parametrize(
    ("query", "field", "close"),
    [
        ("prompt=dog&rate=16000", "rate", 4400),
        ("prompt=dog&token=abc", "token", 4400),
        ("prompt=dog&api_key=abc", "api_key", 4400),
        ("prompt=dog&prompt=cat", "prompt", 4400),
        ("prompt=dog&sample_rate=7999", "sample_rate", 4400),
        ("prompt=dog&sample_rate=192001", "sample_rate", 4400),
        ("prompt=dog&sample_rate=48e3", "sample_rate", 4400),
        ("prompt=dog&sample_rate=-48000", "sample_rate", 4400),
        ("prompt=dog&sample_rate=", "sample_rate", 4400),
        ("prompt=dog&sample_rate=99999999999999999999", "sample_rate", 4400),
        ("prompt=dog&sample_rate=%D9%A4%D9%A8%D9%A0%D9%A0%D9%A0", "sample_rate", 4400),
        ("prompt=dog&output_sample_rate=1", "output_sample_rate", 4400),
        ("prompt=dog&channels=0", "channels", 4400),
        ("prompt=dog&channels=3", "channels", 4400),
        ("prompt=dog&encoding=mp3", "encoding", 4415),
        ("prompt=dog&output=both", "output", 4400),
    ],
)
def test_wrong_queries_are_named(query: str, field: str, close: int) -> None:
    with pytest.raises(BadMessage) as refused:
        parse_query(query)
    assert (refused.value.details["field"], refused.value.close) == (field, close)


GOLDEN_HEADERS = [
    ("01000000000000000000000000000000", (0, 0, 0, 0, 0)),
    ("01000102070000003412000000000000", (0, 1, 2, 7, 0x1234)),
    ("01010503ffffffffffffffffffffff7f", (1, 5, 3, 0xFFFFFFFF, 2**63 - 1)),
    ("0102000000000080feffffffffffffff", (2, 0, 0, 0x80000000, -2)),
]


@pytest.mark.parametrize(("text", "fields"), GOLDEN_HEADERS)
def test_golden_headers(text: str, fields: tuple[int, ...]) -> None:
    data = bytes.fromhex(text)
    assert tuple(unpack_header(data + b"payload")) == fields
    kind, track, flags, sequence, pts = fields
    assert pack_header(track, flags, sequence, pts, kind) == data
    for end in range(HEADER_BYTES):
        with pytest.raises(BadMessage, match="header"):
            unpack_header(data[:end])


def test_the_sequence_wraps() -> None:
    assert unpack_header(pack_header(0, 0, 2**32, 5)).sequence == 0


@pytest.mark.parametrize(("text", "field"), [("02" + "00" * 15, "header.version"), ("0103" + "00" * 14, "header.kind")])
def test_other_versions_and_kinds_are_refused(text: str, field: str) -> None:
    with pytest.raises(BadMessage) as refused:
        unpack_header(bytes.fromhex(text))
    assert refused.value.details["field"] == field


def test_input_that_no_session_takes() -> None:
    with pytest.raises(NotSupportedYet, match="video"):
        check_input(unpack_header(pack_header(0, 0, 0, 0, kind=1)), 4, 2)
    with pytest.raises(BadMessage, match="track"):
        check_input(unpack_header(pack_header(1, 0, 0, 0)), 4, 2)
    with pytest.raises(BadMessage, match="pts"):
        check_input(unpack_header(pack_header(0, 0, 0, -1)), 4, 2)
    with pytest.raises(BadMessage, match="pts"):
        check_input(unpack_header(pack_header(0, 0, 0, 2**63 - 1)), 4, 2)
    with pytest.raises(BadMessage, match="multiple of 4"):
        check_input(unpack_header(pack_header(0, 0, 0, 0)), 6, 4)
