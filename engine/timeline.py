"""Where a chunk stands in its stream: contiguous, after a gap, or partly heard before. Counts only, no clock."""

from __future__ import annotations

from dataclasses import dataclass

LONGEST_FILL_S = 2.0
"""A longer gap is not filled with silence: the track restarts with the discontinuity flag (contract, section 2)."""


@dataclass(frozen=True, slots=True)
class Placement:
    """What to do with a chunk before it is pushed.

    Attributes:
        skip: samples at its front that were heard before (they are dropped).
        fill: samples of silence to push first.
        restart: begin a new timeline at the chunk's pts instead of filling.
    """

    skip: int
    fill: int
    restart: bool


_CONTIGUOUS = Placement(0, 0, False)


class Timeline:
    """The input clock of one track, in samples.

    Args:
        rate: samples a second.
    """

    __slots__ = ("_begun", "_longest_fill", "expects")

    def __init__(self, rate: int) -> None:
        self._longest_fill = int(LONGEST_FILL_S * rate)
        self._begun = False
        self.expects = 0
        """pts of the next contiguous sample."""

    def place(self, pts: int | None, count: int) -> Placement:
        """Take `count` samples that begin at `pts` (None: right after the last) and say how they fit.

        The first chunk of a stream defines where it begins, wherever that is.
        """
        if pts is None or pts == self.expects:
            self._begun = True
            self.expects += count
            return _CONTIGUOUS
        if not self._begun:
            self._begun = True
            self.expects = pts + count
            return Placement(0, 0, True)
        gap = pts - self.expects
        if gap > self._longest_fill:
            self.expects = pts + count
            return Placement(0, 0, True)
        if gap > 0:
            self.expects = pts + count
            return Placement(0, gap, False)
        skip = min(-gap, count)
        self.expects += count - skip
        return Placement(skip, 0, False)
