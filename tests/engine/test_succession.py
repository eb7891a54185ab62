"""`engine.succession`: what is fed waits its turn behind a flush or a gap, and each segment begins where it must."""

from __future__ import annotations

from engine.segment import Segment
from engine.spec import AudioSpec
from engine.succession import Succession
from tests.engine.streams import noise

AUDIO = AudioSpec(sample_rate=48_000, window=960, hop=480, crossfade=480)


class House:
    """Begins segments as a session does, and counts."""

    def __init__(self) -> None:
        self.begun: list[tuple[int, bool]] = []
        self.forgotten = 0
        self.segments = Succession(self.begin, self.forget)

    def begin(self, start: int, discontinuity: bool) -> Segment:
        self.begun.append((start, discontinuity))
        segment = Segment(AUDIO, 1, 48_000, 48_000, start, [0], None, True, False, discontinuity)
        segment.open_outlet("a", 1.0)
        return segment

    def forget(self) -> None:
        self.forgotten += 1

    def give_out(self) -> None:
        """Everything of the present segment comes out."""
        for outlet in self.segments.present._outlets.values():
            outlet.position = self.segments.present.limit or 0
        self.segments.go_on()


def test_what_follows_a_flush_waits_until_all_before_it_is_out() -> None:
    house = House()
    house.segments.feed(noise(1000), 0.0)
    house.segments.finish(0.0, last=False)
    house.segments.feed(noise(700), 0.1)
    assert (house.segments.present.received, house.begun) == (1000, [(0, False)])
    house.give_out()
    assert (house.segments.present.received, house.begun[1:]) == (700, [(1000, False)])
    assert not house.segments.finished
    house.segments.finish(0.1, last=True)
    assert not house.segments.finished
    house.give_out()
    assert house.segments.finished
    assert house.forgotten == 0


def test_a_gap_ends_a_segment_and_what_was_heard_is_forgotten() -> None:
    house = House()
    house.segments.feed(noise(1000), 0.0)
    house.segments.feed(noise(700), 0.1, restart_at=500_000)
    assert house.forgotten == 0
    house.give_out()
    assert house.forgotten == 1
    assert house.begun[-1] == (500_000, True)
    assert house.segments.present.received == 700


def test_a_stream_that_begins_late_misses_nothing() -> None:
    house = House()
    house.segments.feed(noise(0), 0.0)
    house.segments.feed(noise(700), 0.0, restart_at=500_000)
    assert house.begun == [(0, False), (500_000, False)]
