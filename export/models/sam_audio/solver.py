"""Fixed-step solvers of `dy/dt = v(t, y)` from t = 0 to 1.

Written as generators that pause before each evaluation: whoever drives them decides when to make it, which is what lets
a live engine put a small model's hop between two evaluations of a big one. The reference's default is the midpoint rule
with 16 steps (32 evaluations).
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

Steps = Generator[tuple[float, Tensor], Tensor, Tensor]
"""Yields (t, y) and is sent v(t, y); returns y at t = 1."""


def euler(start: Tensor, steps: int) -> Steps:
    """`y += h v(t, y)`: one evaluation a step."""
    y, h = start, 1 / steps
    for number in range(steps):
        y = y + h * (yield number * h, y)
    return y


def midpoint(start: Tensor, steps: int) -> Steps:
    """`y += h v(t + h/2, y + h/2 · v(t, y))`: two evaluations a step."""
    y, h = start, 1 / steps
    for number in range(steps):
        slope = yield number * h, y
        y = y + h * (yield (number + 0.5) * h, y + (h / 2) * slope)
    return y


METHODS = {"euler": euler, "midpoint": midpoint}
EVALUATIONS = {"euler": 1, "midpoint": 2}


@dataclass(frozen=True, slots=True)
class Solver:
    """A rule and its number of equal steps."""

    method: Literal["euler", "midpoint"] = "midpoint"
    steps: int = 16

    def __post_init__(self) -> None:
        if self.method not in METHODS or self.steps < 1:
            raise ValueError(
                f"expected one of {sorted(METHODS)} and at least one step, got {self.method}, {self.steps}"
            )

    @property
    def times(self) -> list[float]:
        """When it evaluates, in order: what a prompt's memory can be computed for beforehand."""
        per = EVALUATIONS[self.method]
        return [number / (per * self.steps) for number in range(per * self.steps)]

    def run(self, start: Tensor) -> Steps:
        """The steps, one evaluation at a time."""
        return METHODS[self.method](start, self.steps)

    def solve(self, velocity: Callable[[float, Tensor], Tensor], start: Tensor) -> Tensor:
        """y at t = 1, in one go."""
        running = self.run(start)
        try:
            asked = next(running)
            while True:
                asked = running.send(velocity(*asked))
        except StopIteration as end:
            out: Tensor = end.value
            return out
