"""What spans say over time, as courses: piecewise constant values over the session's seconds.

A target is known to sound (`ON`), known not to (`OFF`), or nothing is known of it. The model takes that as its hint;
and since a hint only leans on what the model has learnt, what is known to be off is also faded out by the host.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.errors import BadInput
from engine.prompt import Span

UNKNOWN, ON, OFF = 0, 1, 2
"""Values of a hint, as `Work.hints` has them."""


@dataclass(frozen=True, slots=True)
class Course:
    """Value `values[i]` from `borders_s[i - 1]` (inclusive) to `borders_s[i]`; one value more than borders."""

    borders_s: tuple[float, ...]
    values: tuple[int, ...]

    def at(self, second: float) -> int:
        """The value at a session time in seconds."""
        return self.values[bisect_right(self.borders_s, second)]

    @property
    def constant(self) -> bool:
        """Whether the value never changes."""
        return not self.borders_s


NOTHING_KNOWN = Course((), (UNKNOWN,))


def course_of(spans: Sequence[Span]) -> Course:
    """What a target's spans say; where two overlap, the one that stands last holds, as with the anchors of
    the models that read spans themselves."""
    borders = sorted({0.0, *(border for span in spans for border in (span.start_s, span.end_s))})
    # Between two borders nothing changes. Before 0 there is no session: what holds there held before.
    values = [UNKNOWN] * len(borders)
    for span in spans:
        begin, end = bisect_left(borders, span.start_s), bisect_left(borders, span.end_s)
        values[begin:end] = [ON if span.include else OFF] * (end - begin)
    return _merged(borders[1:], values)


def combined(courses: Sequence[Course], rule: Callable[[tuple[int, ...]], int]) -> Course:
    """The course of `rule(values of all courses)`."""
    borders = sorted({border for course in courses for border in course.borders_s})
    first = rule(tuple(course.values[0] for course in courses))
    return _merged(borders, [first, *(rule(tuple(course.at(border) for course in courses)) for border in borders)])


def _merged(borders: Sequence[float], values: Sequence[int]) -> Course:
    """Without borders at which nothing changes, so that courses that say the same are equal."""
    kept = [index for index in range(len(borders)) if values[index + 1] != values[index]]
    return Course(tuple(borders[index] for index in kept), (values[0], *(values[index + 1] for index in kept)))


def joint_hint(values: tuple[int, ...]) -> int:
    """What is known of a union: it sounds where one part does, and does not where no part does."""
    if ON in values:
        return ON
    return OFF if all(value == OFF for value in values) else UNKNOWN


def sounding_sets(courses: Sequence[Course], most: int) -> dict[tuple[bool, ...], Course]:
    """Which of several targets are not off, over time.

    Returns:
        For each combination that occurs (True: not off), the course that is `UNKNOWN` while it holds and `OFF` else.

    Raises:
        BadInput: more than `most` combinations occur.
    """
    borders = sorted({border for course in courses for border in course.borders_s})
    moments = [tuple(course.values[0] != OFF for course in courses)]
    moments += [tuple(course.at(border) != OFF for course in courses) for border in borders]
    sets = dict.fromkeys(moments)
    if len(sets) > most:
        expected = f"spans that leave at most {most} different sets of targets (or no residual)"
        raise BadInput("targets.spans", expected, f"{len(sets)} sets")
    return {wanted: _merged(borders, [UNKNOWN if moment == wanted else OFF for moment in moments]) for wanted in sets}


@dataclass(frozen=True, slots=True)
class Moments:
    """Session times of a stretch: part `h` of its `hops` covers `hop` samples from `begin_s + h * hop / rate` on.

    The parts are hops, or the latent frames that a long hop consists of.
    """

    begin_s: float
    hops: int
    hop: int
    rate: int

    def values(self, course: Course, before: int = 0) -> list[int]:
        """Value of each hop, decided at its middle, from `before` hops earlier on."""
        step_s = self.hop / self.rate
        return [course.at(self.begin_s + (index + 0.5) * step_s) for index in range(-before, self.hops)]

    def gate(self, course: Course) -> NDArray[np.float32] | None:
        """`(hops * hop,)`: 0 where the course is off, 1 elsewhere, a line over the hop in which that changes.

        None where all of it is 1. It depends on the time alone, hence not on how the hops are grouped.
        """
        if course.constant and course.values[0] != OFF:
            return None
        open_ = np.array([value != OFF for value in self.values(course, before=1)], np.float32)
        if open_.all():
            return None
        rise = (np.arange(self.hop, dtype=np.float32) + np.float32(0.5)) / np.float32(self.hop)
        lines = open_[:-1, None] + (open_[1:] - open_[:-1])[:, None] * rise
        return np.asarray(lines, np.float32).reshape(-1)
