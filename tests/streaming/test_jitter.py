"""The jitter buffer by a manual clock: order kept, no hole in the timeline, no waiting where nothing is missing."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from streaming.jitter import JitterBuffer, Stretch
from streaming.packet_timing import JitterSettings

FRAME = 960
FRAME_S = 0.02
START_S = 100.0


@dataclass
class Link:
    """A sender of one packet per 20 ms, a network that does as told, and the buffer, on a clock of its own.

    The first numbers are near both wrap-arounds.
    """

    buffer: JitterBuffer = field(default_factory=JitterBuffer)
    sequence: int = 65_500
    timestamp: int = 2**32 - 20 * FRAME
    out: list[tuple[float, Stretch]] = field(default_factory=list)

    def run(self, arrivals: list[tuple[float, int]], until_s: float | None = None, frame: int = FRAME) -> None:
        """Packets `index` arrive at their times; in between the buffer is looked at exactly when it asks for it."""
        for arrival_s, index in sorted(arrivals):
            self.look_until(arrival_s)
            self.arrive(index, arrival_s, frame)
        if until_s is not None:
            self.look_until(until_s)

    def arrive(self, index: int, at_s: float, frame: int = FRAME, *, quiet: bool = False) -> None:
        """One packet."""
        sequence, timestamp = (self.sequence + index) % 2**16, (self.timestamp + index * FRAME) % 2**32
        self.buffer.insert(sequence, timestamp, str(index).encode(), frame, at_s, quiet=quiet)
        self.look(at_s)

    def look(self, at_s: float) -> None:
        """What can go on now."""
        self.out += [(at_s, stretch) for stretch in self.buffer.poll(at_s)]

    def look_until(self, end_s: float) -> None:
        """Every look that is due before `end_s`."""
        while self.buffer.wake_s is not None and self.buffer.wake_s < end_s:
            self.look(self.buffer.wake_s)

    @property
    def kinds(self) -> list[str]:
        """Payload of what was received, kind of what was not."""
        return [stretch.payload.decode() or stretch.kind for _, stretch in self.out]

    def delays_s(self) -> np.ndarray:
        """Of each packet that was handed on: how long after it was sent."""
        return np.array([at - sent(int(stretch.payload)) for at, stretch in self.out if stretch.kind == "sound"])

    def check_timeline(self) -> int:
        """No hole, nothing twice; returns the end."""
        pts = 0
        for _, stretch in self.out:
            assert stretch.pts == pts
            assert stretch.count > 0
            pts += stretch.count
        assert pts == self.buffer.next_pts
        return pts


def sent(index: int) -> float:
    """When packet `index` left the sender."""
    return START_S + index * FRAME_S


def network(count: int, loss: float, jitter_s: float, seed: int) -> list[tuple[float, int]]:
    """Arrivals with independent loss and independent delays up to `jitter_s`."""
    rng = np.random.default_rng(seed)
    arrivals = []
    for index in range(count):
        lost, delay_s = rng.random() < loss, rng.random() * jitter_s
        if not lost:
            arrivals.append((sent(index) + delay_s, index))
    return arrivals


def test_a_clean_network_waits_for_nothing() -> None:
    link = Link()
    link.run(network(500, 0.0, 0.0, 1))
    assert link.kinds == [str(index) for index in range(500)]
    assert link.check_timeline() == 500 * FRAME
    assert np.abs(link.delays_s()).max() < 1e-9
    assert link.buffer.hold_s == 0.0


def test_a_lost_packet_is_given_up_as_soon_as_the_next_is_here() -> None:
    link = Link()
    link.run([(sent(index), index) for index in range(100) if index not in (10, 50, 51)])
    assert link.kinds[9:12] == ["9", "lost", "11"]
    lost = [stretch for _, stretch in link.out if stretch.kind == "lost"]
    assert [(stretch.pts, stretch.count) for stretch in lost] == [(10 * FRAME, FRAME), (50 * FRAME, 2 * FRAME)]
    assert [stretch.following for stretch in lost] == [b"11", b"52"]
    assert np.abs(link.delays_s()).max() < 1e-9
    assert link.buffer.counts.lost == 3
    link.check_timeline()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("loss", "jitter_s"), [(0.01, 0.0), (0.03, 0.03), (0.3, 0.05), (0.1, 0.3)])
def test_any_network_gives_a_whole_timeline_in_order(seed: int, loss: float, jitter_s: float) -> None:
    link = Link()
    link.run(network(800, loss, jitter_s, seed), until_s=sent(800))
    end = link.check_timeline()
    assert abs(end - 800 * FRAME) <= (0.4 + jitter_s) * 48_000
    numbers = [int(stretch.payload) for _, stretch in link.out if stretch.kind == "sound"]
    assert numbers == sorted(set(numbers))
    first = numbers[0]
    for _, stretch in link.out:
        if stretch.kind == "sound":
            assert stretch.pts == (int(stretch.payload) - first) * FRAME + stretch.skip
    # Bounded: a packet waits for an overtaken one, not for ever.
    assert link.delays_s().max() <= jitter_s + 0.06 + 1e-9 + (0.0 if loss < 0.1 else 0.1)
    assert link.buffer.waiting < 8


def test_reordering_is_waited_for_after_it_was_seen_and_forgotten_again() -> None:
    link = Link()
    link.run(network(500, 0.0, 0.03, 3))
    assert link.buffer.counts.late <= 2
    assert 0.002 < link.buffer.hold_s < 0.02
    link.run([(sent(index), index) for index in range(502, 1300)])
    assert link.buffer.hold_s == 0.0


def test_the_delay_is_normal_with_the_next_packet_after_the_last_loss() -> None:
    link = Link()
    arrivals = network(500, 0.03, 0.03, 4) + [(sent(index), index) for index in range(501, 600)]
    link.run(arrivals)
    after = [at - sent(int(piece.payload)) for at, piece in link.out if piece.payload and int(piece.payload) > 503]
    assert max(after) < 1e-9


def test_duplicates_and_late_packets_are_dropped_and_counted() -> None:
    link = Link()
    link.run([(sent(0), 0), (sent(1), 1), (sent(1) + 0.001, 1), (sent(3), 3), (sent(3) + 0.005, 2), (sent(4), 4)])
    assert link.kinds == ["0", "1", "lost", "3", "4"]
    counts = link.buffer.counts
    assert (counts.received, counts.duplicate, counts.late, counts.lost, counts.reordered) == (6, 1, 1, 1, 1)
    # The lesson: the next overtaken packet is waited for.
    link.run([(sent(6), 6), (sent(6) + 0.005, 5)])
    assert link.kinds[-2:] == ["5", "6"]


def test_time_goes_on_when_nothing_comes_and_the_stream_finds_back() -> None:
    link = Link()
    link.run([(sent(index), index) for index in range(50)], until_s=sent(100))
    silent = [stretch for _, stretch in link.out if stretch.kind == "lost"]
    assert 0.8 < sum(stretch.count for stretch in silent) / 48_000 < 0.95
    assert all(not stretch.following for stretch in silent)
    link.run([(sent(index), index) for index in range(100, 150)])
    assert link.kinds[-50:] == [str(index) for index in range(100, 150)]
    assert link.check_timeline() == 150 * FRAME


def test_a_route_that_became_slower_is_followed() -> None:
    """All packets are 0.15 s later from one moment on: what was concealed in between is lost, then sound goes on."""
    link = Link()
    link.run([(sent(index), index) for index in range(50)] + [(sent(index) + 0.15, index) for index in range(50, 500)])
    numbers = [int(stretch.payload) for _, stretch in link.out if stretch.kind == "sound"]
    assert numbers[-400:] == list(range(100, 500))
    assert len(numbers) >= 485
    link.check_timeline()


def test_a_pause_of_the_sender_is_filled_in_time_and_is_no_loss() -> None:
    link = Link()
    for index in range(10):
        link.arrive(index, sent(index), quiet=index == 9)
    link.look_until(sent(30))
    # Within a frame and the smallest wait of the clock.
    assert link.buffer.next_pts >= 29 * FRAME - 0.02 * 48_000
    assert link.buffer.counts.concealed == 0
    link.buffer.insert(
        (65_500 + 10) % 2**16, (link.timestamp + 30 * FRAME) % 2**32, b"30", FRAME, sent(30), quiet=False
    )
    link.look(sent(30))
    assert link.kinds[-1] == "30"
    assert link.buffer.counts.lost == 0
    link.check_timeline()


def test_a_server_that_was_stopped_drops_nothing_of_what_waited() -> None:
    """A process stopped for 3 s: its timer is due long ago, and the packets are read one by one after it."""
    link = Link()
    link.run([(sent(index), index) for index in range(50)])
    woken_s = sent(50) + 3.0
    link.look(woken_s)
    for number, index in enumerate(range(50, 200)):
        link.arrive(index, woken_s + 0.0005 * number)
    assert link.kinds == [str(index) for index in range(200)]


def test_a_new_source_goes_on_where_the_old_one_ended() -> None:
    link = Link()
    link.run([(sent(index), index) for index in range(20)])
    link.buffer.restart()
    link.sequence, link.timestamp = 7, 99
    link.run([(sent(20 + index), index) for index in range(20)])
    assert link.check_timeline() == 40 * FRAME
    assert link.buffer.counts.restarts == 1


def test_a_clock_that_jumps_restarts_after_the_second_packet_alone_it_is_dropped() -> None:
    link = Link()
    link.run([(sent(index), index) for index in range(20)])
    link.buffer.insert(9, 2**31, b"stray", FRAME, sent(20), quiet=False)
    link.run([(sent(20), 20)])
    assert link.kinds == [str(index) for index in range(21)]
    for index in range(20):
        link.buffer.insert(30_000 + index, 777 + index * FRAME, b"new", FRAME, sent(21 + index), quiet=False)
        link.look(sent(21 + index))
    assert link.kinds[21:] == ["new"] * 19
    assert link.buffer.counts.refused == 2
    link.check_timeline()


def test_a_sender_faster_than_time_is_refused_beyond_a_second() -> None:
    link = Link()
    for index in range(5000):
        link.arrive(index, START_S + index * 0.0001)
    assert link.check_timeline() <= 1.6 * 48_000
    assert link.buffer.counts.refused > 4000
    assert link.buffer.waiting == 0


def test_a_sender_that_queued_while_it_connected_is_heard_all_the_same() -> None:
    link = Link()
    backlog = 150  # three seconds, at once
    for index in range(backlog):
        link.arrive(index, START_S)
    refused = link.buffer.counts.refused
    assert refused == pytest.approx(backlog - 50, abs=2)
    link.run([(START_S + index * FRAME_S, backlog + index) for index in range(1, 200)])
    link.check_timeline()
    # Nothing is missing but what was too much at the start, and the rest goes on without a hole.
    assert link.buffer.counts.refused - refused <= 2
    assert [kind for kind in link.kinds if kind == "lost"] == []
    assert link.kinds[-190:] == [str(index) for index in range(backlog + 10, backlog + 200)]


def test_a_packet_that_was_half_concealed_is_cut() -> None:
    link = Link()
    link.run([(sent(index), index) for index in range(10)], until_s=sent(20))
    covered = link.buffer.next_pts
    moment = covered - 480
    link.buffer.insert((65_500 + 10) % 2**16, (link.timestamp + moment) % 2**32, b"half", FRAME, sent(20), quiet=False)
    link.look(sent(20))
    last = link.out[-1][1]
    assert (last.pts, last.count, last.skip) == (covered, 480, 480)
    link.check_timeline()


def test_jitter_is_what_rfc_3550_says() -> None:
    link = Link()
    link.run([(sent(index) + 0.004 * (index % 2), index) for index in range(400)])
    assert link.buffer.jitter_s == pytest.approx(0.004, rel=1e-3)


def test_the_bounds_are_settings() -> None:
    link = Link(JitterBuffer(JitterSettings(longest_hold_s=0.01)))
    link.run(network(500, 0.0, 0.08, 6))
    assert link.buffer.hold_s == 0.01
