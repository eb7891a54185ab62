"""The only thing that runs models: takes the ready work of all sessions, earliest deadline first, one step at a time.

It never waits to fill a batch: under light load every hop goes alone, under heavy load hops that became ready during
the last step go together. Files and jobs wait behind live work, and while any live session is there one step of theirs
may cost at most a fifth of a hop.

New targets hear the last second before they sound: a hundred hops at once. These wait behind everybody's hops too, or
one session that asks for something else again and again would make all others late.

A program that needs many graph calls for its works is not waited for: a step makes one of them (`runs`), and between
two of them whatever another program has ready goes first, unless the run is late itself; then they take turns.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Callable, Iterable

import numpy as np

from engine.errors import EngineFault
from engine.frames import Result, Work
from engine.programs.base import Program
from engine.runs import Lane, Run, next_run
from engine.session import Session

log = logging.getLogger("winnow.engine.batcher")

MOST_ROWS = 128
"""Rows of the graph (a slot on a channel) in one step; the rest goes into the next."""

LIVE_HOPS = 16
FILE_HOPS = 128
"""Most hops of one work: of a live session that is behind, and of a file while nothing is live."""

STEP_SHARE = 0.5
"""Part of a hop's time that a step may be expected to take: sessions that are behind must not make one step so long
that all others fall behind too. The earliest deadlines go first, the rest goes into the next step."""

JOB_SHARE = 0.2
"""Part of a hop's time that a step of a file may take while something is live."""

PRIMING_SHARE = 0.4
"""The same of a step in which new targets hear the past."""

PRIMING_WAITS_S = 0.25
"""How much later than a hop the past of new targets is due: on a server that is late itself its turn must come too."""

LOAD_OVER_S = 1.0


class Batcher:
    """Sessions of one program, or of several on the same device.

    Args:
        program: what steps their slots.
        clock: monotonic seconds, the same as is passed to `Session.feed_audio`.
    """

    def __init__(self, program: Program, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._own = Lane(program)
        self._lanes: dict[Session, Lane] = {}
        """Of each session."""
        self._one_lane = True
        """All sessions are of the batcher's own program, as in most servers."""
        self._ready: dict[Session, None] = {}
        self._live = 0
        self._runs: list[Run] = []
        self._gave_way = False
        """The last step went to other work than the runs."""
        self._suspects: set[Session] = set()
        """A call failed with these in it: each goes alone once, so that only the one at fault is hurt."""
        self._steps: deque[tuple[float, float]] = deque(maxlen=4096)
        self.batch_size = 0
        """Rows in the last step."""
        self.step_hops = 0
        """Hops of rows that the last step finished; 0 where it finished none."""
        self.earlier_s = 0.0
        """Seconds that earlier steps spent on the hops that the last one finished."""

    def add(self, session: Session, program: Program | None = None) -> None:
        """Work for `session` too, whose slots are `program`'s (None: those of the batcher's own)."""
        if session in self._lanes:
            return
        lane = self._own
        if program is not None and program is not lane.program:
            lane = next((known for known in self._lanes.values() if known.program is program), Lane(program))
            self._one_lane = False
        self._lanes[session] = lane
        self._live += session.config.live

    def discard(self, session: Session) -> None:
        """Forget a session; one that is not there is fine."""
        if self._lanes.pop(session, None) is not None:
            self._live -= session.config.live
            self._ready.pop(session, None)
            self._suspects.discard(session)
            self._runs = [run for run in self._runs if run.wanted(self._lanes)]

    def ready(self, session: Session) -> None:
        """Something happened to the session: look at it in the next step."""
        if session in self._lanes:
            self._ready[session] = None

    @property
    def pending(self) -> bool:
        """Whether a step may find something to do."""
        return bool(self._ready or self._runs)

    def step(self) -> list[Session]:
        """Make one batch's calls, or one call of a long run; the sessions that have something new (pieces, events or a
        failure)."""
        touched: dict[Session, None] = {}
        self.step_hops = 0
        self.earlier_s = 0.0
        run = next_run(self._runs) if self._runs else None
        runs_turn = run is not None and self._gave_way and run.late(self._clock())
        works = {} if runs_turn else self._gather(touched)
        if works:
            self._gave_way = True
            self._begin(works, touched)
        elif run is not None:
            self._gave_way = False
            began = self._clock()
            self._advance(run, touched)
            self._steps.append((began, self._clock() - began))
        return list(touched)

    def _begin(self, works: dict[Work, Session], touched: dict[Session, None]) -> None:
        began = self._clock()
        self.batch_size = sum(work.rows for work in works)
        lane = self._lanes[next(iter(works.values()))]
        for session, result in self._run(lane, works, touched, began):
            self._accept(session, result, began, touched)
            self.step_hops += result.work.hops * result.work.rows
        took = self._clock() - began
        self._steps.append((began, took))
        if self.step_hops:
            lane.row_hop_s, lane.step_hops = took / self.step_hops, self.step_hops

    def _accept(self, session: Session, result: Result, began: float, touched: dict[Session, None]) -> None:
        touched[session] = None
        if result.faulty:
            session.fail(result.work, EngineFault("the model returned values that are not finite"))
            return
        try:
            session.accept(result, began, self._clock)
        except Exception as error:
            session.failed = _fault(error)

    def _advance(self, run: Run, touched: dict[Session, None]) -> None:
        """One call of a run; with the last one its results."""
        began = self._clock()
        try:
            results = next(run.parts)
        except EngineFault as fault:
            self._runs.remove(run)
            self._failed(run, fault, touched)
            return
        run.took_s += self._clock() - began
        for result in results:
            session = run.works.pop(result.work)
            if session not in self._lanes:
                continue  # it has gone in the meantime
            self._accept(session, result, run.began_s, touched)
            self._ready[session] = None
            self.step_hops += result.work.hops * result.work.rows
        if not run.works:
            self._runs.remove(run)
            self.earlier_s = run.took_s - (self._clock() - began)
            if self.step_hops:
                run.lane.row_hop_s, run.lane.step_hops = run.took_s / self.step_hops, self.step_hops

    def _failed(self, run: Run, fault: EngineFault, touched: dict[Session, None]) -> None:
        """Windows may have left their rings since the run began: its works are asked for anew, one by one."""
        for work, session in run.works.items():
            if session not in self._lanes:
                continue
            if len(run.works) == 1:
                touched[session] = None
                session.fail(work, fault)
            else:
                session.take_back()
                self._suspects.add(session)
            self._ready[session] = None

    def _gather(self, touched: dict[Session, None]) -> dict[Work, Session]:
        live: list[tuple[float, bool, int, Session]] = []
        jobs: list[Session] = []
        one_lane, busy = self._one_lane, [run.lane for run in self._runs if run.live]
        for session in list(self._ready):
            if session.idle:
                del self._ready[session]
            elif session.config.live:
                lane = self._own if one_lane else self._lanes[session]
                if lane not in busy:
                    primes = session.priming
                    due_s = session.due_s + lane.hop_s + primes * PRIMING_WAITS_S
                    live.append((due_s, primes, len(live), session))
            else:
                jobs.append(session)
        if live:
            live.sort()
            _, priming, _, session = live[0]
            lane = self._lanes[session]
            # Hops and the past apart: what the past costs would be added to the hops' delay.
            first = [
                session
                for _, primes, _, session in live
                if primes is priming and (one_lane or self._lanes[session] is lane)
            ]
            share = PRIMING_SHARE if priming else STEP_SHARE
            return self._works(lane, self._alone(first), touched, LIVE_HOPS, lane.affordable(share))
        if self._runs:
            return {}
        if jobs and self._live:
            # One at a time, and the next one first in the following step.
            session = jobs[0]
            self._ready[session] = self._ready.pop(session)
            lane = self._lanes[session]
            quantum = lane.affordable(JOB_SHARE) if lane.row_hop_s else 1
            return self._works(lane, [session], touched, FILE_HOPS, quantum)
        if not jobs:
            return {}
        lane = self._lanes[jobs[0]]
        jobs = [session for session in jobs if self._lanes[session] is lane]
        return self._works(lane, self._alone(jobs), touched, FILE_HOPS)

    def _alone(self, sessions: list[Session]) -> list[Session]:
        """The sessions, or one of the suspects among them."""
        if self._suspects:
            for session in sessions:
                if session in self._suspects:
                    self._suspects.discard(session)
                    return [session]
        return sessions

    def _works(
        self, lane: Lane, sessions: Iterable[Session], touched: dict[Session, None], most_hops: int,
        left: float = math.inf,
    ) -> dict[Work, Session]:  # fmt: skip
        """One work of each session, in order, of at most `most_hops` hops each and `left` rows times hops in all."""
        works: dict[Work, Session] = {}
        rows = 0
        most_hops = min(most_hops, lane.most_hops)
        for session in sessions:
            if rows >= MOST_ROWS or left < 1:
                break
            try:
                work = session.next_work(int(min(most_hops, max(left / max(session.graph_rows, 1), 1))))
            except Exception as error:
                session.failed = _fault(error)
                touched[session] = None
                continue
            if work is not None:
                works[work] = session
                rows += work.rows
                left -= work.rows * work.hops
        return works

    def _run(
        self, lane: Lane, works: dict[Work, Session], touched: dict[Session, None], began: float
    ) -> Iterable[tuple[Session, Result]]:
        groups: dict[int, list[Work]] = {}
        for work in works:
            groups.setdefault(work.hops, []).append(work)
        for group in groups.values() if not lane.long else [list(works)]:
            try:
                parts = lane.program.step(group)
                results = next(parts)
            except EngineFault as fault:
                yield from self._run_apart(lane, group, works, touched, fault)
                continue
            for result in results:
                yield works[result.work], result
            if len(results) < len(group):
                lane.long = True
                done = {result.work for result in results}
                rest = {work: works[work] for work in group if work not in done}
                self._runs.append(Run(lane, rest, parts, began, self._clock() - began))

    def _run_apart(
        self, lane: Lane, group: list[Work], works: dict[Work, Session], touched: dict[Session, None],
        fault: EngineFault,
    ) -> Iterable[tuple[Session, Result]]:  # fmt: skip
        """A step failed: run its works one by one, so that only the session at fault is hurt."""
        for work in group:
            session = works[work]
            try:
                if len(group) == 1:
                    raise fault
                results = [result for part in lane.program.step([work]) for result in part]
            except EngineFault as alone:
                session.fail(work, alone)
                touched[session] = None
            else:
                yield session, results[0]

    @property
    def step_p95_s(self) -> float:
        """95th percentile of the recent steps' durations in seconds; 0 while there were none."""
        since = self._clock() - 10.0
        recent = [took for began, took in self._steps if began >= since]
        return float(np.percentile(recent, 95)) if recent else 0.0

    @property
    def load(self) -> float:
        """Share of the last second spent in steps, 0–1."""
        since = self._clock() - LOAD_OVER_S
        return min(sum(took for began, took in self._steps if began >= since) / LOAD_OVER_S, 1.0)


def _fault(error: Exception) -> EngineFault:
    """A failure inside one session is that session's end, and nobody else's."""
    if isinstance(error, EngineFault):
        return error
    log.error("a session failed", exc_info=error)
    return EngineFault(f"the session failed: {error}")
