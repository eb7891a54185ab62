"""`engine.batcher`: earliest deadline first, live before files, small quanta beside live work, bounded steps."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from engine.batcher import FILE_HOPS, LIVE_HOPS, MOST_ROWS, PRIMING_WAITS_S, Batcher
from engine.bundle import Bundle
from engine.config import SessionConfig
from engine.frames import Result, Work
from engine.prompt import Target
from engine.session import Session
from tests.engine.streams import SPEECH, ManualClock, noise


class Watched:
    """The identity program, noting each step's works and letting a step cost time."""

    def __init__(self, bundle: Bundle, clock: ManualClock, cost_s: float = 0.0) -> None:
        self.inner, self.clock, self.cost_s = bundle.program, clock, cost_s
        self.spec, self.most_hops = bundle.spec, bundle.program.most_hops
        self.steps: list[list[Work]] = []

    def step(self, works: list[Work]) -> Iterator[list[Result]]:
        self.steps.append(works)
        self.clock.now_s += self.cost_s * sum(work.hops for work in works)
        yield from self.inner.step(works)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def opened(bundle: Bundle, count: int, live: bool = True) -> list[Session]:
    return [Session(bundle, SessionConfig(48_000, 1, (SPEECH,), live=live)) for _ in range(count)]


def test_ready_hops_of_all_sessions_go_in_one_call(identity: Bundle, clock: ManualClock) -> None:
    watched = Watched(identity, clock)
    batcher = Batcher(watched, clock)  # type: ignore[arg-type]
    sessions = opened(identity, 20)
    for session in sessions:
        batcher.add(session)
        session.feed_audio(noise(960), clock())
        batcher.ready(session)
    touched = batcher.step()
    assert len(watched.steps) == 1
    assert len(watched.steps[0]) == 20
    assert set(touched) == set(sessions)
    assert batcher.batch_size == 20


def test_a_step_is_bounded_and_the_earliest_deadline_is_in_it(identity: Bundle, clock: ManualClock) -> None:
    watched = Watched(identity, clock)
    batcher = Batcher(watched, clock)  # type: ignore[arg-type]
    sessions = opened(identity, MOST_ROWS + 10)
    for number, session in enumerate(reversed(sessions)):
        batcher.add(session)
        session.feed_audio(noise(960), clock() + number)
        batcher.ready(session)
    batcher.step()
    works = watched.steps[0]
    assert len(works) == MOST_ROWS
    assert [work.due_s for work in works] == sorted(work.due_s for work in works)
    assert works[0].due_s == min(session.due_s for session in sessions)


def test_live_goes_first_and_a_file_takes_a_fifth_of_a_hop(identity: Bundle, clock: ManualClock) -> None:
    watched = Watched(identity, clock, cost_s=0.0002)
    batcher = Batcher(watched, clock)  # type: ignore[arg-type]
    (live,), (file,) = opened(identity, 1), opened(identity, 1, live=False)
    batcher.add(live)
    batcher.add(file)
    file.feed_audio(noise(480_000), clock())
    batcher.ready(file)
    for _ in range(5):
        batcher.step()
    # The first step had no measured cost and was one hop; then at most 0.2 × 10 ms at 0.2 ms a hop.
    assert {work.hops for works in watched.steps[1:] for work in works} == {8}
    live.feed_audio(noise(960), clock())
    batcher.ready(live)
    batcher.step()
    assert [work.live for work in watched.steps[-1]] == [True]
    batcher.discard(live)
    live.close()
    batcher.step()
    assert watched.steps[-1][0].hops == FILE_HOPS


def test_a_backlog_is_worked_off_in_long_works(identity: Bundle, clock: ManualClock) -> None:
    watched = Watched(identity, clock)
    batcher = Batcher(watched, clock)  # type: ignore[arg-type]
    (session,) = opened(identity, 1)
    batcher.add(session)
    session.feed_audio(noise(48_000), clock())
    batcher.ready(session)
    while batcher.pending:
        batcher.step()
    hops = [works[0].hops for works in watched.steps]
    assert max(hops) == LIVE_HOPS
    assert sum(hops) == 100
    assert all(hop & (hop - 1) == 0 for hop in hops)


def test_one_step_takes_at_most_half_a_hop_of_a_backlog(identity: Bundle, clock: ManualClock) -> None:
    watched = Watched(identity, clock, cost_s=0.0005)
    batcher = Batcher(watched, clock)  # type: ignore[arg-type]
    sessions = opened(identity, 10)
    for number, session in enumerate(sessions):
        batcher.add(session)
        session.feed_audio(noise(48_000), clock() + 0.001 * number)
        batcher.ready(session)
    while batcher.pending:
        batcher.step()
    cost = [sum(work.hops for work in works) * 0.0005 for works in watched.steps]
    assert max(cost[1:]) <= 0.5 * 0.01 + 1e-9  # the first step had no measured cost
    assert sum(cost) == pytest.approx(10 * 100 * 0.0005)
    for session in sessions:
        last = session.take()[-1]
        assert last.pts + last.samples.shape[1] == 47_520


def test_late_hops_are_counted_by_the_clock(identity: Bundle, clock: ManualClock) -> None:
    watched = Watched(identity, clock)
    batcher = Batcher(watched, clock)  # type: ignore[arg-type]
    (session,) = opened(identity, 1)
    batcher.add(session)
    for number, late in enumerate((0.0, 0.0, 0.009, 0.011)):
        clock.now_s = 100.0 + 0.01 * number
        session.feed_audio(noise(480), clock())
        clock.now_s += late
        batcher.ready(session)
        batcher.step()
    assert session.counters.late_hops == 1
    assert session.meter.percentiles()["latency"][2] == pytest.approx(0.011, abs=1e-3)
    # A stream that comes faster than it sounds is due by its own clock.
    (fast,) = opened(identity, 1)
    batcher.add(fast)
    for _ in range(100):
        fast.feed_audio(noise(480), clock())
    clock.now_s += 0.5
    batcher.ready(fast)
    while batcher.pending:
        batcher.step()
    assert fast.counters.late_hops <= 48 + LIVE_HOPS


def test_mixed_shapes_share_a_step_and_stay_apart(identity: Bundle, clock: ManualClock) -> None:
    batcher = Batcher(identity.program, clock)
    two = (SPEECH, Target("dog", "dog bark"))
    sessions = [
        Session(identity, SessionConfig(48_000, 1, (SPEECH,))),
        Session(identity, SessionConfig(48_000, 2, two, True)),
        Session(identity, SessionConfig(48_000, 1, two)),
        Session(identity, SessionConfig(48_000, 2, (SPEECH,))),
    ]
    sounds = [noise(4800, session.config.channels, seed) for seed, session in enumerate(sessions)]
    for session, sound in zip(sessions, sounds, strict=True):
        batcher.add(session)
        for begin in range(0, 4800, 480):
            session.feed_audio(sound[:, begin : begin + 480], clock())
        session.flush(clock(), last=True)
        batcher.ready(session)
    while batcher.pending:
        batcher.step()
    for session, sound in zip(sessions, sounds, strict=True):
        pieces = session.take()
        for track in session.tracks:
            whole = np.concatenate([piece.samples for piece in pieces if piece.track == track.index], axis=1)
            wanted = sound if track.target else np.zeros_like(sound)
            np.testing.assert_allclose(whole, wanted, atol=1e-6)


def test_load_and_percentile_of_steps(identity: Bundle, clock: ManualClock) -> None:
    batcher = Batcher(Watched(identity, clock, cost_s=0.005), clock)  # type: ignore[arg-type]
    assert batcher.step_p95_s == 0.0
    (session,) = opened(identity, 1)
    batcher.add(session)
    for _ in range(50):
        session.feed_audio(noise(480), clock())
        batcher.ready(session)
        batcher.step()
        clock.now_s += 0.005
    assert batcher.step_p95_s == pytest.approx(0.005)
    assert batcher.load == pytest.approx(0.25, abs=0.02)


def feed_a_hop(batcher: Batcher, sessions: tuple[Session, ...], at_s: float) -> None:
    for session in sessions:
        session.feed_audio(noise(480), at_s)
        batcher.ready(session)


def test_the_past_of_new_targets_waits_behind_the_hops_of_others(identity: Bundle, clock: ManualClock) -> None:
    watched = Watched(identity, clock, cost_s=0.0002)
    batcher = Batcher(watched, clock)  # type: ignore[arg-type]
    wishful, steady = opened(identity, 2)
    for session in (wishful, steady):
        batcher.add(session)
    for _ in range(150):
        clock.now_s += 0.01
        feed_a_hop(batcher, (wishful, steady), clock())
        while batcher.pending:
            batcher.step()
    steady.meter.reset()
    watched.steps.clear()
    # Somebody who asks for something else every 10 ms: a hundred hops of the past each time.
    due_s = clock()
    for turn in range(50):
        due_s += 0.01
        clock.now_s = max(clock.now_s, due_s)
        feed_a_hop(batcher, (wishful, steady), due_s)
        wishful.update((Target("speech", "dog bark" if turn % 2 else "speech"),))
        while batcher.pending and clock.now_s < due_s + 0.01:
            batcher.step()
    past = [works for works in watched.steps if any(work.hops > 1 for work in works)]
    assert past, "something was heard of the past"
    assert steady.counters.late_hops == 0
    # A hop waits for a little of somebody's past at most, and for the step that it goes in.
    assert steady.meter.percentiles()["latency"][2] <= 0.2 * 0.01 + 0.002


def test_the_past_gets_its_turn_on_a_server_that_is_late(identity: Bundle, clock: ManualClock) -> None:
    watched = Watched(identity, clock, cost_s=0.006)
    batcher = Batcher(watched, clock)  # type: ignore[arg-type]
    wishful, steady = opened(identity, 2)
    for session in (wishful, steady):
        batcher.add(session)
        session.feed_audio(noise(4800), clock())
        batcher.ready(session)
    while batcher.pending:
        batcher.step()
    wishful.update((Target("speech", "dog bark"),))
    asked_s = due_s = clock()
    while not any(len(work.slots) == 2 for works in watched.steps for work in works):
        due_s += 0.005  # the steady one alone is more than can be done
        feed_a_hop(batcher, (wishful, steady), due_s)
        batcher.step()
        assert clock() < asked_s + 4 * PRIMING_WAITS_S


def test_a_step_is_bounded_by_the_rows_of_its_works_too(identity: Bundle, clock: ManualClock) -> None:
    watched = Watched(identity, clock)
    step = watched.step

    def by_rows(works: list[Work]) -> Iterator[list[Result]]:
        clock.now_s += 0.0002 * sum(work.hops * work.rows for work in works)
        return step(works)

    watched.step = by_rows  # type: ignore[method-assign]
    batcher = Batcher(watched, clock)  # type: ignore[arg-type]
    many = tuple(Target(name, name) for name in ("speech", "dog bark", "siren", "rain"))
    session = Session(identity, SessionConfig(48_000, 1, many))
    batcher.add(session)
    session.feed_audio(noise(48_000), clock())
    batcher.ready(session)
    while batcher.pending:
        batcher.step()
    cost_s = [sum(work.rows * work.hops for work in works) * 0.0002 for works in watched.steps]
    assert max(cost_s[1:]) <= 0.5 * 0.01 + 1e-9  # the first step had no measured cost
