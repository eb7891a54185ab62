"""The only thing that runs models: takes the ready work of all sessions, earliest deadline first, one step at a time.

It never waits to fill a batch: under light load every hop goes alone, under heavy load hops that became ready during
the last step go together. Files and jobs wait behind live work, and while any live session is there one step of theirs
may cost at most a fifth of a hop.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Callable, Iterable

import numpy as np

from engine.errors import EngineFault
from engine.frames import Result, Work
from engine.programs.mask import MaskProgram
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

LOAD_OVER_S = 1.0


class Batcher:
    """Sessions of one program.

    Args:
        program: what steps their slots.
        clock: monotonic seconds, the same as is passed to `Session.feed_audio`.
    """

    def __init__(self, program: MaskProgram, clock: Callable[[], float]) -> None:
        self._program = program
        self._clock = clock
        self._hop_s = program.spec.audio.hop_s
        self._ready: dict[Session, None] = {}
        self._live = 0
        self._sessions: set[Session] = set()
        self._row_hop_s = 0.0
        self._steps: deque[tuple[float, float]] = deque(maxlen=4096)
        self.batch_size = 0
        """Rows in the last step."""
        self.step_hops = 0
        """Hops of rows in the last step; 0 where it found nothing to do."""

    def add(self, session: Session) -> None:
        """Work for `session` too."""
        if session not in self._sessions:
            self._sessions.add(session)
            self._live += session.config.live

    def discard(self, session: Session) -> None:
        """Forget a session; one that is not there is fine."""
        if session in self._sessions:
            self._sessions.remove(session)
            self._live -= session.config.live
            self._ready.pop(session, None)

    def ready(self, session: Session) -> None:
        """Something happened to the session: look at it in the next step."""
        if session in self._sessions:
            self._ready[session] = None

    @property
    def pending(self) -> bool:
        """Whether a step may find something to do."""
        return bool(self._ready)

    def step(self) -> list[Session]:
        """Run one batch; the sessions that have something new (pieces, events or a failure)."""
        touched: dict[Session, None] = {}
        self.step_hops = 0
        works = self._gather(touched)
        if not works:
            return list(touched)
        began = self._clock()
        self.batch_size = sum(work.rows for work in works)
        for session, result in self._run(works, touched):
            touched[session] = None
            if result.faulty:
                session.fail(result.work, EngineFault("the model returned values that are not finite"))
                continue
            try:
                session.accept(result, began, self._clock)
            except Exception as error:
                session.failed = _fault(error)
        took = self._clock() - began
        self._steps.append((began, took))
        self.step_hops = sum(work.hops * work.rows for work in works)
        self._row_hop_s = took / self.step_hops
        return list(touched)

    def _gather(self, touched: dict[Session, None]) -> dict[Work, Session]:
        live: list[tuple[float, int, Session]] = []
        jobs: list[Session] = []
        for session in list(self._ready):
            if session.idle:
                del self._ready[session]
            elif session.config.live:
                live.append((session.due_s, len(live), session))
            else:
                jobs.append(session)
        if live:
            live.sort()
            first = (session for _, _, session in live)
            return self._works(first, touched, LIVE_HOPS, self._affordable(STEP_SHARE))
        if jobs and self._live:
            # One at a time, and the next one first in the following step.
            session = jobs[0]
            self._ready[session] = self._ready.pop(session)
            quantum = self._affordable(JOB_SHARE) if self._row_hop_s else 1
            return self._works([session], touched, FILE_HOPS, quantum)
        return self._works(jobs, touched, FILE_HOPS)

    def _affordable(self, share: float) -> float:
        """Rows times hops that take `share` of a hop's time, by what the last step cost; at least 1."""
        return max(share * self._hop_s / self._row_hop_s, 1.0) if self._row_hop_s else math.inf

    def _works(
        self, sessions: Iterable[Session], touched: dict[Session, None], most_hops: int, left: float = math.inf
    ) -> dict[Work, Session]:
        """One work of each session, in order, of at most `most_hops` hops each and `left` rows times hops in all."""
        works: dict[Work, Session] = {}
        rows = 0
        for session in sessions:
            if rows >= MOST_ROWS or left < 1:
                break
            try:
                work = session.next_work(int(min(most_hops, left)))
            except Exception as error:
                session.failed = _fault(error)
                touched[session] = None
                continue
            if work is not None:
                works[work] = session
                rows += work.rows
                left -= work.rows * work.hops
        return works

    def _run(self, works: dict[Work, Session], touched: dict[Session, None]) -> Iterable[tuple[Session, Result]]:
        groups: dict[int, list[Work]] = {}
        for work in works:
            groups.setdefault(work.hops, []).append(work)
        for group in groups.values():
            try:
                results = [result for part in self._program.step(group) for result in part]
            except EngineFault as fault:
                yield from self._run_apart(group, works, touched, fault)
                continue
            for result in results:
                yield works[result.work], result

    def _run_apart(
        self, group: list[Work], works: dict[Work, Session], touched: dict[Session, None], fault: EngineFault
    ) -> Iterable[tuple[Session, Result]]:
        """A step failed: run its works one by one, so that only the session at fault is hurt."""
        for work in group:
            session = works[work]
            try:
                if len(group) == 1:
                    raise fault
                (part,) = self._program.step([work])
            except EngineFault as alone:
                session.fail(work, alone)
                touched[session] = None
            else:
                yield session, part[0]

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
