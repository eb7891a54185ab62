"""A session's half on the inference thread, stepped by hand: no socket, no thread, no clock of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from engine.batcher import Batcher
from engine.bundle import Bundle
from streaming.errors import BadMessage
from streaming.media import encode_pcm
from streaming.messages import Start, parse_text
from streaming.protocol import SessionRequest, framed_request, parse_query, unpack_header
from streaming.stream import Delivery, Stream
from tests.fakes import ManualClock
from tests.streaming.live import START, framed_messages, noise


class Bench:
    """A stream on a batcher that steps when told to."""

    def __init__(self, bundle: Bundle, request: SessionRequest) -> None:
        self.clock = ManualClock()
        self.stream = Stream("test", request, lambda delivery: None)
        self.batcher = Batcher(bundle.program, self.clock)
        self.session = self.stream.open(bundle)
        self.batcher.add(self.session)

    def call(self, what: Callable[[Any, float], None], argument: Any = None) -> None:
        """What the worker does with a call."""
        what(argument, self.clock())
        self.batcher.ready(self.session)

    def run(self) -> Delivery:
        """Everything that is ready, as one delivery."""
        while self.batcher.step():
            pass
        payloads = [encode_pcm(piece.samples, "pcm_s16le") for piece in self.stream.take()]
        return self.stream.collect(payloads, self.clock()) or Delivery(self.stream)


def framed(**members: Any) -> SessionRequest:
    """A request by a start message."""
    start = parse_text(json.dumps({**START, **members}))
    assert isinstance(start, Start)
    return framed_request(start)


def raw(query: str) -> SessionRequest:
    """A request by a query."""
    request = parse_query(query)
    assert request is not None
    return request


def test_started_is_the_first_thing_it_says(identity: Bundle) -> None:
    delivery = Bench(identity, framed()).run()
    (started,) = delivery.texts
    assert started["type"] == "started"
    assert started["latency"]["hop"] == identity.spec.audio.hop
    assert not delivery.hops


def test_the_hop_leaves_on_the_push_that_completes_its_latency(identity: Bundle) -> None:
    bench = Bench(identity, framed())
    audio = identity.spec.audio
    bench.run()
    messages = framed_messages(noise(audio.hop * 5).tobytes(), 2, size=audio.hop)
    arrived = []
    for index, message in enumerate(messages):
        bench.call(bench.stream.feed, message)
        for hop in bench.run().hops:
            arrived.append((hop.track, hop.begin, index))
    expected = [
        (track, begin, (begin + audio.latency) // audio.hop - 1)
        for begin in range(0, 4 * audio.hop, audio.hop)
        for track in (0, 1)
    ]
    assert arrived == expected


def test_end_marks_the_last_piece_of_every_track(identity: Bundle) -> None:
    bench = Bench(identity, framed())
    bench.call(bench.stream.feed, framed_messages(noise(700).tobytes(), 2, size=700)[0])
    bench.run()
    bench.call(bench.stream.end)
    delivery = bench.run()
    assert delivery.done
    last = [hop for hop in delivery.hops if unpack_header(hop.message).flags & 1]
    assert sorted((hop.track, hop.end) for hop in last) == [(0, 700), (1, 700)]
    assert bench.stream.over


@pytest.mark.parametrize("flushed", [False, True])
def test_a_track_without_a_last_piece_gets_an_empty_one(identity: Bundle, flushed: bool) -> None:
    bench = Bench(identity, framed())
    if flushed:
        bench.call(bench.stream.feed, framed_messages(noise(480).tobytes(), 2)[0])
        bench.call(bench.stream.flush)
        assert sum(hop.end - hop.begin for hop in bench.run().hops) == 960
    bench.call(bench.stream.end)
    delivery = bench.run()
    assert delivery.done
    headers = [unpack_header(hop.message) for hop in delivery.hops]
    assert [(header.track, header.flags & 1, header.pts) for header in headers] == [
        (0, 1, 480 * flushed),
        (1, 1, 480 * flushed),
    ]


def test_a_bad_header_ends_the_session(identity: Bundle) -> None:
    bench = Bench(identity, framed())
    with pytest.raises(BadMessage, match="payload"):
        bench.call(bench.stream.feed, framed_messages(b"abc", 3)[0])
    bench.stream.fail(BadMessage("payload", "x", "y"))
    delivery = bench.run()
    assert delivery.refusal is not None
    assert bench.stream.over


def test_clipping_is_said_once_a_second(identity: Bundle) -> None:
    request = framed(targets=[{"id": "a", "prompt": "speech", "gain_db": 20.0}], **{"return": ["target"]})
    bench = Bench(identity, request)
    said = []
    messages = framed_messages(np.full(48000, 20000, "<i2").tobytes(), 2)
    for index, message in enumerate(messages):
        bench.call(bench.stream.feed, message)
        bench.clock.advance(0.01)
        said += [(index, text["code"]) for text in bench.run().texts if text["type"] == "warning"]
    assert [code for _, code in said] == ["clipped"]


def test_input_without_output_is_reported_when_there_is_much_of_it(identity: Bundle) -> None:
    """Sound that was heard before gives nothing back, yet the event loop must learn that it was taken."""
    bench = Bench(identity, framed())
    message = framed_messages(noise(480).tobytes(), 2)[0]
    bench.call(bench.stream.feed, message)
    bench.run()
    reported = 0
    for _ in range(100):
        bench.call(bench.stream.feed, message)
        reported += bench.run().taken_bytes
    assert reported >= 80 * len(message)


def test_raw_bytes_may_be_cut_within_a_sample(identity: Bundle) -> None:
    bench = Bench(identity, raw("prompt=speech&channels=2"))
    data = noise(500, 2).tobytes()
    for at in range(0, len(data), 3):
        bench.call(bench.stream.feed, data[at : at + 3])
    bench.call(bench.stream.end)
    assert b"".join(hop.message for hop in bench.run().hops) == data


def test_stats_cover_the_time_since_the_last_ones(identity: Bundle) -> None:
    bench = Bench(identity, raw("prompt=speech"))
    bench.call(bench.stream.feed, noise(4800).tobytes())
    bench.run()
    bench.call(bench.stream.tell_stats)
    (stats,) = bench.run().texts
    assert stats["hops"] == bench.session.counters.hops > 0
    bench.call(bench.stream.tell_stats)
    (stats,) = bench.run().texts
    assert stats["hops"] == bench.session.counters.hops
    assert stats["latency_ms"] == {"p50": 0.0, "p95": 0.0, "p99": 0.0}
