"""Programs as the batcher sees them, and their steps that are under way: one graph call at a time."""

from __future__ import annotations

import math
from collections.abc import Container, Iterator
from dataclasses import dataclass

from engine.frames import Result, Work
from engine.programs.base import Program
from engine.session import Session


class Lane:
    """One program: how long its hops are, what they cost.

    Attributes:
        row_hop_s: seconds that a hop of one row took in its last step; 0 before the first.
        step_hops: rows times hops of that step.
        long: its steps have been seen to take more than one call.
    """

    __slots__ = ("hop_s", "long", "most_hops", "program", "row_hop_s", "step_hops")

    def __init__(self, program: Program) -> None:
        self.program = program
        self.hop_s = program.spec.audio.hop_s
        self.most_hops = program.most_hops
        self.row_hop_s = 0.0
        self.step_hops = 0
        self.long = False

    def affordable(self, share: float) -> float:
        """Rows times hops that take `share` of a hop's time, by what the last step cost; at least 1.

        Many calls of a big model cost hardly more for two rows than for one: where the last step fitted, twice as much
        is tried, or it would stay at one row for ever.
        """
        if not self.row_hop_s:
            return math.inf
        fits = max(share * self.hop_s / self.row_hop_s, 1.0)
        if self.long and self.row_hop_s * self.step_hops <= share * self.hop_s:
            return max(fits, 2.0 * self.step_hops)
        return fits


@dataclass(slots=True, eq=False)
class Run:
    """A step that has had its first call.

    Attributes:
        lane: whose step it is.
        works: the works that are not answered yet, and whose they are.
        parts: the step.
        began_s: clock time of its first call.
        took_s: seconds spent in it so far.
    """

    lane: Lane
    works: dict[Work, Session]
    parts: Iterator[list[Result]]
    began_s: float
    took_s: float

    @property
    def live(self) -> bool:
        """Whether somebody listens to it now."""
        return any(work.live for work in self.works)

    @property
    def deadline_s(self) -> float:
        """Clock time from which its first work is late."""
        return min(work.due_s for work in self.works) + self.lane.hop_s

    def late(self, now_s: float) -> bool:
        """Whether a live one has missed its deadline."""
        return self.live and now_s > self.deadline_s

    def wanted(self, sessions: Container[Session]) -> bool:
        """Whether one of its works is still waited for by one of `sessions`."""
        return any(session in sessions for session in self.works.values())


def next_run(runs: list[Run]) -> Run:
    """The one to go on with: live ones before files, then the earliest deadline."""
    return min(runs, key=lambda run: (not run.live, run.deadline_s))
