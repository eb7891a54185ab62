"""Durations of hops in a fixed ring, and their percentiles. The clock is the caller's.

One row a hop, one column a stage; a row is written in one assignment, since this runs for every hop of every session.
"""

from __future__ import annotations

import numpy as np

STAGES = ("latency", "queue", "model", "stitch")
"""`latency`: push that completed the hop → hop out. `queue`: that push → the step that carried it began.
`model`: in the graph. `stitch`: analysis, synthesis, overlap-add, resampling and residual."""


Percentiles = tuple[float, float, float]
"""p50, p95, p99 in seconds."""

_QUANTILES = np.array((0.50, 0.95, 0.99))


class Meter:
    """The last `capacity` hops' durations in seconds.

    Args:
        capacity: rows kept; the default is a minute of 10 ms hops.
    """

    __slots__ = ("_count", "_rows")

    def __init__(self, capacity: int = 6000) -> None:
        self._rows = np.zeros((capacity, len(STAGES)), np.float32)
        self._count = 0

    def record(self, latency_s: float, queue_s: float, model_s: float, stitch_s: float) -> None:
        """One hop's durations, seconds, in the order of `STAGES`."""
        self._rows[self._count % len(self._rows)] = (latency_s, queue_s, model_s, stitch_s)
        self._count += 1

    def percentiles(self) -> dict[str, Percentiles]:
        """Of every stage, over the rows kept, interpolated linearly; zeros before any hop.

        One sort for all stages: `numpy.percentile` for each takes 25 times as long, and fifty sessions ask each second.
        """
        filled = min(self._count, len(self._rows))
        if not filled:
            return dict.fromkeys(STAGES, (0.0, 0.0, 0.0))
        rising = np.sort(self._rows[:filled], axis=0)
        at = _QUANTILES * (filled - 1)
        below = at.astype(np.intp)
        above = np.minimum(below + 1, filled - 1)
        p50, p95, p99 = (rising[below] + (rising[above] - rising[below]) * (at - below)[:, None]).tolist()
        return dict(zip(STAGES, zip(p50, p95, p99, strict=True), strict=True))

    def reset(self) -> None:
        """Forget the rows: a stats message covers one second."""
        self._count = 0
