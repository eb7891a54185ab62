"""From the model's activity probability per hop to "it began" and "it stopped", with hysteresis.

A target must be likely for some hops to count as begun and unlikely for longer to count as ended, so that a pause
between two words is no end. The thresholds are chosen on held-out mixtures (`benchmarks/quality.py`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BEGINS_ABOVE = 0.6
ENDS_BELOW = 0.3
BEGIN_HOPS = 3
END_HOPS = 30


class ActivityGate:
    """One target's state; starts silent."""

    __slots__ = ("_run", "active")

    def __init__(self) -> None:
        self.active = False
        self._run = 0

    def changes(self, probability: NDArray[np.float32]) -> list[tuple[int, str]]:
        """Take `(hops,)` probabilities; the changes in them as (hop at which it happened, `start` or `end`).

        The hop counts from the first of this call and is negative where the change began in an earlier one.
        """
        found = []
        for hop, value in enumerate(probability.tolist()):
            counts = value < ENDS_BELOW if self.active else value > BEGINS_ABOVE
            self._run = self._run + 1 if counts else 0
            if self._run >= (END_HOPS if self.active else BEGIN_HOPS):
                found.append((hop + 1 - self._run, "end" if self.active else "start"))
                self.active = not self.active
                self._run = 0
        return found
