"""`engine.separator`: which works come out for which pushes; priming of new slots before they join."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from engine.frames import Result, Work
from engine.separator import PRIMING_HOPS, Separator, Stretch
from engine.spec import AudioSpec
from tests.engine.streams import noise

AUDIO = AudioSpec(sample_rate=48_000, window=960, hop=480, crossfade=480)
LONG = AudioSpec(sample_rate=8000, window=1000, hop=100, crossfade=20, lookahead=50)
FRAMED = AudioSpec(sample_rate=48_000, window=96_000, hop=19_200, crossfade=1920, lookahead=1920, frame=1920)


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
    sound, end = noise(2000), 0
    for begin in range(0, 2000, 10):
        subject.push(sound[:, begin : begin + 10], begin)
        for work, stretch in run(subject, hop=100):
            assert work.window.shape == (1, 1000)
            if stretch is not None:
                assert begin + 10 - 10 < stretch.pts + LONG.latency <= begin + 10
                end = stretch.pts + stretch.count
    assert end == 2000 - LONG.latency - (2000 - LONG.latency) % 100 + 100


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
    position = subject.prepare([8])
    assert position == 96_000 - AUDIO.latency + AUDIO.hop
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


def under_way(hops: int) -> tuple[Separator, Work]:
    """A stream with latent frames, slot 7, in the middle of a run of `hops` behind its lead-in."""
    subject = Separator(FRAMED, 1, [7])
    subject.push(noise(FRAMED.hop * 16), 0.0)
    first = subject.next_work(1)
    assert first is not None
    subject.accept(answer(first, FRAMED.hop))
    work = subject.next_work(hops)
    assert work is not None
    assert (work.pts, work.hops) == (0, hops)
    return subject, work


def joint(subject: Separator) -> tuple[int, tuple[int, ...], int]:
    """pts, slots and hops of the joint hop, once everything has run."""
    (found,) = [(work, stretch) for work, stretch in run(subject, hop=FRAMED.hop) if stretch and stretch.joined]
    assert found[1].pts == found[0].pts
    return found[0].pts, found[0].slots, found[0].hops


@pytest.mark.parametrize("hops", [1, 8])
def test_who_comes_during_a_run_joins_behind_it_as_told(hops: int) -> None:
    subject, work = under_way(hops)
    told = subject.prepare([8])
    stretch = subject.accept(answer(work, FRAMED.hop))
    assert stretch is not None
    assert not stretch.joined
    assert (told, joint(subject)) == (hops * FRAMED.hop, (told, (7, 8), 1))


def test_who_only_goes_during_a_run_of_one_hop_fades_out_in_it_and_else_in_the_hop_behind_it() -> None:
    subject, work = under_way(1)
    assert subject.prepare([]) == 0
    stretch = subject.accept(answer(work, FRAMED.hop))
    assert stretch is not None
    assert stretch.joined
    subject, work = under_way(8)
    told = subject.prepare([])
    stretch = subject.accept(answer(work, FRAMED.hop))
    assert stretch is not None
    assert not stretch.joined  # the fade is one hop long, not eight
    assert (told, joint(subject)) == (8 * FRAMED.hop, (told, (7,), 1))


@pytest.mark.parametrize("changes", [([8], [9]), ([8], []), ([8], [9], [8]), ([8], [], [8]), ([], [8], [8])])
def test_a_joint_hop_that_a_later_update_overtakes_is_none(changes: tuple[list[int], ...]) -> None:
    """Its slot may have been given to another target, under the number that it had."""
    subject, work = under_way(1)
    subject.accept(answer(work, FRAMED.hop))
    told = subject.prepare([8])
    run_for_the_first = subject.next_work(1)
    assert run_for_the_first is not None
    assert (run_for_the_first.slots, run_for_the_first.pts) == ((7, 8), told)
    for slots in changes:
        told = subject.prepare(slots)
    stretch = subject.accept(answer(run_for_the_first, FRAMED.hop))
    assert stretch is not None
    assert not stretch.joined
    assert joint(subject) == (told, (7, *changes[-1]), 1)
    assert told == 2 * FRAMED.hop


def test_three_updates_in_one_run() -> None:
    subject, work = under_way(2)
    told = [subject.prepare(slots) for slots in ([8], [], [8])]
    stretch = subject.accept(answer(work, FRAMED.hop))
    assert stretch is not None
    assert not stretch.joined
    assert told == [2 * FRAMED.hop] * 3
    assert joint(subject) == (told[-1], (7, 8), 1)


def test_a_run_that_is_taken_back_runs_once_more_before_anybody_joins() -> None:
    subject, _ = under_way(8)
    told = subject.prepare([8])
    subject.take_back()
    again = subject.next_work(4)
    assert again is not None
    assert (again.slots, again.pts, again.hops) == ((7,), 0, 4)
    subject.accept(answer(again, FRAMED.hop))
    assert joint(subject) == (told, (7, 8), 1)


def test_priming_that_a_later_update_overtakes_does_not_count() -> None:
    subject = Separator(AUDIO, 1, [7])
    subject.push(noise(48_000), 0.0)
    run(subject)
    subject.prepare([8])
    work = subject.next_work(64)
    assert work is not None
    assert work.slots == (8,)
    told = subject.prepare([8])
    assert subject.accept(answer(work)) is None
    again = subject.next_work(64)
    assert again is not None
    assert (again.slots, again.pts) == ((8,), work.pts)
    subject.accept(answer(again))
    subject.push(noise(480), 0.0)
    done = [(work.pts, work.slots) for work, stretch in run(subject) if stretch and stretch.joined]
    assert done == [(told, (7, 8))]


@pytest.mark.parametrize(("waiting", "behind"), [(0, 0), (1, 0), (2, 1), (8, 7)])
def test_whoever_changes_its_mind_waits_for_the_hops_behind_and_joins_as_told(waiting: int, behind: int) -> None:
    subject = Separator(AUDIO, 1, [7])
    subject.push(noise(48_000), 0.0)
    run(subject)
    due = 48_000 - AUDIO.latency + AUDIO.hop
    assert subject.prepare([8]) == subject.prepare([9]) == due
    subject.push(noise(480 * waiting), 0.0)
    told = subject.prepare([10])
    assert told == due + 480 * behind
    subject.push(noise(480), 0.0)
    works = [(work.pts, work.slots, stretch is not None and stretch.joined) for work, stretch in run(subject)]
    first_to_prime = next(number for number, (_, slots, _) in enumerate(works) if slots == (10,))
    assert all(slots == (7,) for _, slots, _ in works[:first_to_prime])
    assert [one for one in works if one[2]] == [(told, (7, 10), True)]


def test_a_stream_that_stays_behind_changes_when_it_was_told() -> None:
    """Two hops come for every step, and never fewer than two wait."""
    subject = Separator(AUDIO, 1, [7])
    subject.push(noise(48_000), 0.0)
    run(subject)
    subject.push(noise(960), 0.0)
    subject.prepare([8])
    told = subject.prepare([9])
    done = []
    for _ in range(100):
        subject.push(noise(960), 0.0)
        work = subject.next_work(64)
        assert work is not None
        done.append((work, subject.accept(answer(work))))
    assert [work.pts for work, stretch in done if stretch and stretch.joined] == [told]


def test_changing_minds_with_every_hop_does_not_stop_what_sounds() -> None:
    subject = Separator(AUDIO, 1, [7])
    subject.push(noise(48_000), 0.0)
    run(subject)
    heard, end = [], 48_000 - AUDIO.latency + AUDIO.hop
    for turn in range(100):
        subject.push(noise(480), 0.0)
        subject.prepare([8 + turn % 3])
        for _ in range(2):
            work = subject.next_work(64)
            assert work is not None
            if (stretch := subject.accept(answer(work))) is not None:
                assert stretch.pts == end
                end += stretch.count
                heard.append(turn)
    assert len(heard) >= 98


def test_an_update_before_the_first_hop_of_a_work_of_several() -> None:
    subject = Separator(AUDIO, 1, [7], least_hops=4)
    subject.push(noise(960), 0.0)
    assert subject.prepare([8]) == 0
    subject.push(noise(480 * 4), 0.0)
    done = [(work.pts, work.slots, stretch is not None and stretch.joined) for work, stretch in run(subject)]
    assert done == [(-480, (7, 8), True), (0, (7,), False)]  # it joins in the lead-in, and the owner did not settle


def test_hints_split_a_work() -> None:
    subject = Separator(AUDIO, 1, [7], lambda slot, pts: int(pts >= 480 * 5))
    subject.push(noise(480 * 17), 0.0)
    assert [(work.pts // 480, work.hops, work.hints) for work, _ in run(subject)] == [
        (-1, 4, (0,)), (3, 2, (0,)), (5, 8, (1,)), (13, 2, (1,)), (15, 1, (1,)),
    ]  # fmt: skip


@pytest.mark.parametrize("audio", [AUDIO, FRAMED])
def test_of_two_hops_in_a_row_one_at_most_runs_two_plans(audio: AudioSpec) -> None:
    subject = Separator(audio, 1, [1])
    subject.push(noise(audio.latency), 0.0)
    run(subject)
    joints, told = [], []
    for number in range(40):
        told.append(subject.prepare([2 + number]))
        subject.push(noise(audio.hop), 0.0)
        for work, stretch in run(subject):
            if stretch is not None and stretch.joined:
                subject.settle(work.slots[-1:])
                joints.append(work.pts)
    assert len(joints) == 20
    assert set(joints) <= set(told)
    assert min(later - before for before, later in pairwise(joints)) == 2 * audio.hop
    # Within two hops all the same.
    assert all(at <= audio.hop * (number + 1) + audio.hop for number, at in enumerate(told))


def test_what_needs_no_new_slot_may_change_at_every_hop() -> None:
    subject = Separator(AUDIO, 1, [1])
    subject.push(noise(AUDIO.latency), 0.0)
    run(subject)
    told = []
    for _ in range(5):
        told.append(subject.prepare([]))
        subject.push(noise(AUDIO.hop), 0.0)
        assert [stretch.joined for _, stretch in run(subject) if stretch is not None] == [True]
    assert [later - before for before, later in pairwise(told)] == [AUDIO.hop] * 4
