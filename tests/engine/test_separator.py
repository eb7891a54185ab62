"""`engine.separator`: which works come out for which pushes; priming of new slots before they join."""

from __future__ import annotations

import numpy as np

from engine.frames import Result, Work
from engine.separator import PRIMING_HOPS, Separator, Stretch
from engine.spec import AudioSpec
from tests.engine.streams import noise

AUDIO = AudioSpec(sample_rate=48_000, window=960, hop=480, crossfade=480)
LONG = AudioSpec(sample_rate=8000, window=1000, hop=100, crossfade=20, lookahead=50)


def answer(work: Work, hop: int = 480) -> Result:
    channels = work.window.shape[0]
    outputs = np.zeros((len(work.slots), channels, work.hops * hop), np.float32)
    return Result(work, outputs, np.ones((len(work.slots), work.hops), np.float32), 0.0, 0.0)


def run(subject: Separator, most_hops: int = 64, hop: int = 480) -> list[tuple[Work, Stretch | None]]:
    found = []
    while (work := subject.next_work(most_hops)) is not None:
        found.append((work, subject.accept(answer(work, hop))))
    return found


def test_windows_and_positions() -> None:
    subject = Separator(AUDIO, 1, [7])
    sound = noise(480 * 10)
    subject.push(sound, 1.0)
    done = run(subject, most_hops=4)
    assert [(work.pts, work.hops) for work, _ in done] == [(-480, 4), (1440, 4), (3360, 2)]
    np.testing.assert_array_equal(done[1][0].window, sound[:, 1440:3840])
    assert [stretch.pts for _, stretch in done if stretch] == [0, 1440, 3360]
    assert [stretch.count for _, stretch in done if stretch] == [1440, 1920, 960]


def test_long_window_with_lookahead() -> None:
    subject = Separator(LONG, 1, [7])
    sound = noise(2000)
    for begin in range(0, 2000, 10):
        subject.push(sound[:, begin : begin + 10], begin)
        for work, stretch in run(subject, hop=100):
            assert work.window.shape == (1, 1000)
            if stretch is not None:
                assert begin + 10 - 10 < stretch.pts + LONG.latency <= begin + 10
    assert subject.position == 2000 - LONG.latency - (2000 - LONG.latency) % 100 + 100


def test_one_work_at_a_time() -> None:
    subject = Separator(AUDIO, 1, [7])
    subject.push(noise(4800), 0.0)
    work = subject.next_work(1)
    assert work is not None
    assert not subject.ready
    assert subject.next_work(1) is None
    subject.accept(answer(work))
    assert subject.ready


def test_due_is_the_push_that_completed_the_hop() -> None:
    subject = Separator(AUDIO, 1, [7])
    for index in range(6):
        subject.push(noise(480), float(index))
    assert [work.due_s for work, _ in run(subject, 1)] == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]


def test_new_slots_are_primed_then_join_for_one_hop() -> None:
    subject = Separator(AUDIO, 1, [7])
    subject.push(noise(96_000), 0.0)
    run(subject)
    position = subject.position
    subject.prepare([8])
    subject.push(noise(480), 0.0)
    done = run(subject)
    subject.push(noise(480), 0.0)
    done += run(subject)
    primed = [work for work, stretch in done if stretch is None]
    assert {work.slots for work in primed} == {(8,)}
    assert max(work.hops for work in primed) <= PRIMING_HOPS
    assert sum(work.hops for work in primed) == 100
    assert primed[-1].pts + primed[-1].hops * 480 == position
    joint, after = [(work, stretch) for work, stretch in done if stretch is not None]
    assert joint[0].slots == (7, 8)
    assert joint[1] is not None
    assert joint[1].joined
    assert joint[1].pts == position
    assert after[0].slots == (7,)  # the owner did not settle


def test_a_second_update_before_the_first_took_effect() -> None:
    subject = Separator(AUDIO, 1, [7])
    subject.push(noise(48_000), 0.0)
    run(subject)
    subject.prepare([8])
    subject.push(noise(480), 0.0)
    work = subject.next_work(64)
    assert work is not None
    assert work.slots == (8,)
    subject.prepare([9])
    assert subject.accept(answer(work)) is None
    slots = [(work.slots, stretch is not None and stretch.joined) for work, stretch in run(subject)]
    assert ((8,), False) not in slots
    assert slots[-1] == ((7, 9), True)


def test_hints_split_a_work() -> None:
    subject = Separator(AUDIO, 1, [7], lambda slot, pts: int(pts >= 480 * 5))
    subject.push(noise(480 * 17), 0.0)
    assert [(work.pts // 480, work.hops, work.hints) for work, _ in run(subject)] == [
        (-1, 4, (0,)), (3, 2, (0,)), (5, 8, (1,)), (13, 2, (1,)), (15, 1, (1,)),
    ]  # fmt: skip
