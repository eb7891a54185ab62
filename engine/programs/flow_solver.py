"""Fixed-step solvers of `dy/dt = v(t, y)` from t = 0 (noise) to 1 (sound), paused before each evaluation.

Whoever drives one decides when to make the next evaluation: that is what lets a small model's hop pass between two
evaluations of a big one.
"""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Steps = Generator[tuple[float, Floats], Floats, Floats]
"""Yields (t, y), is sent v(t, y), returns y at t = 1."""

EVALUATIONS = {"euler": 1, "midpoint": 2}
"""Of one step."""


def times(method: str, steps: int) -> list[float]:
    """When a solver evaluates, in order."""
    count = EVALUATIONS[method] * steps
    return [number / count for number in range(count)]


def solving(method: str, steps: int, start: Floats) -> Steps:
    """`steps` equal steps from `start`, any shape.

    Euler's rule is `y += h v(t, y)`, the midpoint rule `y += h v(t + h/2, y + h/2 · v(t, y))`.
    """
    y, h = start, np.float32(1.0 / steps)
    moments = times(method, steps)
    if method == "euler":
        for t in moments:
            y = y + h * (yield t, y)
        return y
    for t, middle in zip(moments[0::2], moments[1::2], strict=True):
        slope = yield t, y
        y = y + h * (yield middle, y + (h / 2) * slope)
    return y
