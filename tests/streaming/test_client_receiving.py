"""Messages become hops, and what was received is known by track, whatever is missing or comes twice."""

from __future__ import annotations

import numpy as np
import pytest

from streaming.arrival import Captures
from streaming.client_hops import Totals
from streaming.client_receiving import Receiver
from streaming.errors import BadMessage
from streaming.protocol import FLAG_DISCONTINUITY, FLAG_LAST, pack_header

STARTED = {"latency": {"samples": 960}, "tracks": [{"index": 0, "name": "a/target"}, {"index": 1, "name": "residual"}]}


def message(track: int, pts: int, count: int = 480, flags: int = 0) -> bytes:
    return pack_header(track, flags, 0, pts) + bytes(2 * count)


@pytest.fixture
def receiver() -> Receiver:
    captures = Captures(48000)
    captures.sent(0, 4800, 100.0)
    receiver = Receiver("pcm_s16le", 1, captures, Totals())
    receiver.begin(STARTED, 0, torn=False)
    return receiver


def test_a_hop_has_its_name_its_place_and_its_delay(receiver: Receiver) -> None:
    hop = receiver.receive(message(1, 480), flushed=False)
    assert hop is not None
    assert (hop.track, hop.pts, hop.samples.shape, hop.last, hop.discontinuity) == (
        "residual",
        480,
        (1, 480),
        False,
        False,
    )
    assert hop.latency_s == pytest.approx(hop.received_s - 100.0 + (4800 - 480) / 48000)
    assert hop.gather_s == pytest.approx((4800 - 480) / 48000)
    assert receiver.received == {1: 960}


def test_what_was_answered_is_what_all_tracks_have(receiver: Receiver) -> None:
    assert receiver.answered == 0
    receiver.receive(message(0, 0, 960), flushed=False)
    receiver.receive(message(1, 0, 480), flushed=False)
    assert receiver.answered == 480
    receiver.miss({"track": 1, "from": 480, "to": 1440})
    assert receiver.answered == 960
    # A track that has ended holds nothing up.
    receiver.receive(message(0, 960, 1, FLAG_LAST), flushed=False)
    receiver.receive(message(1, 1440, 480), flushed=False)
    assert receiver.answered == 1920


def test_a_seam_is_flagged_once(receiver: Receiver) -> None:
    receiver.miss({"track": 0, "from": 0, "to": 480})
    found = [receiver.receive(message(0, pts), flushed=False) for pts in (480, 960)]
    found.append(receiver.receive(message(0, 9600, flags=FLAG_DISCONTINUITY), flushed=False))
    assert [hop is not None and hop.discontinuity for hop in found] == [True, False, True]


def test_a_session_that_takes_over_counts_on(receiver: Receiver) -> None:
    receiver.receive(message(0, 0, 960), flushed=False)
    receiver.begin({**STARTED, "tracks": [{"index": 0, "name": "b/target"}]}, 960, torn=True)
    hop = receiver.receive(message(0, 0), flushed=False)
    assert hop is not None
    assert (hop.track, hop.pts, hop.discontinuity) == ("b/target", 960, True)
    assert receiver.answered == 960 + 480
    np.testing.assert_array_equal(hop.samples, 0.0)


def test_an_empty_last_hop_comes_once(receiver: Receiver) -> None:
    assert receiver.receive(message(0, 480, 0, FLAG_LAST), flushed=True) is not None
    assert receiver.receive(message(0, 480, 0, FLAG_LAST), flushed=True) is None


def test_half_a_header_is_refused(receiver: Receiver) -> None:
    with pytest.raises(BadMessage):
        receiver.receive(b"\x01\x00", flushed=False)
