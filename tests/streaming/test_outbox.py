"""The outbox stays bounded: whole oldest hops go, they are counted, and the gap is told."""

from __future__ import annotations

import json

from streaming.outbox import MOST_TEXTS, Outbox
from streaming.protocol import pack_header, unpack_header
from streaming.stream import Hop

HOP = 480


def hop(track: int, index: int) -> Hop:
    """Hop `index` of a track at 48 kHz."""
    begin = index * HOP
    return Hop(track, begin, begin + HOP, index, pack_header(track, 0, index, begin) + b"xx")


def everything(outbox: Outbox) -> list[str | bytes]:
    """All that would be sent."""
    found = []
    while (message := outbox.next()) is not None:
        found.append(message)
    return found


def test_without_a_limit_nothing_is_dropped() -> None:
    outbox = Outbox(48000, None)
    for index in range(1000):
        outbox.add_hop(hop(0, index))
    assert outbox.seconds == 10.0
    assert len(everything(outbox)) == 1000
    assert outbox.seconds == 0.0


def test_whole_oldest_hops_are_dropped_and_told() -> None:
    outbox = Outbox(48000, 0.4)
    for index in range(100):
        outbox.add_hop(hop(0, index))
        outbox.add_hop(hop(1, index))
        assert outbox.seconds <= 0.4
        assert len(outbox) <= 80
    assert outbox.dropped_hops == 60
    sent = everything(outbox)
    gaps = [json.loads(message) for message in sent if isinstance(message, str)]
    assert gaps == [{"type": "gap", "track": track, "from": 0, "to": 60 * HOP} for track in (0, 1)]
    # Each gap stands right before the hop that follows it.
    assert [isinstance(message, str) for message in sent[:4]] == [True, False, True, False]
    headers = [unpack_header(message) for message in sent if isinstance(message, bytes)]
    for track in (0, 1):
        mine = [header for header in headers if header.track == track]
        assert [header.pts for header in mine] == [index * HOP for index in range(60, 100)]
        assert [header.sequence for header in mine] == list(range(40))


def test_sequence_numbers_go_on_after_a_gap() -> None:
    outbox = Outbox(48000, 0.02)
    for index in range(5):
        outbox.add_hop(hop(0, index))
    everything(outbox)
    assert unpack_header(outbox.numbered(hop(0, 5))).sequence == 2


def test_texts_keep_their_place_and_are_never_dropped() -> None:
    outbox = Outbox(48000, 0.02)
    outbox.add_hop(hop(0, 0))
    outbox.add_text({"type": "updated"})
    for index in range(1, 6):
        outbox.add_hop(hop(0, index))
    sent = everything(outbox)
    assert [json.loads(text)["type"] for text in sent if isinstance(text, str)] == ["updated", "gap"]


def test_many_texts_make_it_crowded() -> None:
    outbox = Outbox(48000, 0.4)
    for _ in range(MOST_TEXTS):
        assert not outbox.crowded
        outbox.add_text({"type": "pong"})
    assert outbox.crowded
    everything(outbox)
    assert not outbox.crowded


def test_a_gap_that_no_hop_follows_is_told_at_the_end() -> None:
    outbox = Outbox(48000, 0.005)
    outbox.add_hop(hop(0, 0))
    assert everything(outbox) == []
    assert [json.loads(text)["to"] for text in outbox.rest()] == [HOP]
    assert outbox.rest() == []
