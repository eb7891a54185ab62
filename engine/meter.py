"""Durations in a fixed ring: percentiles, real-time factor, late hops. The clock is the caller's.

One row a hop, one column a stage; a row is written in one assignment, since this runs for every hop of every session.
"""

from __future__ import annotations

import numpy as np

STAGES = ("latency", "queue", "model", "stitch")
"""`latency`: push that completed the hop → hop out. `queue`: that push → the step that carried it began.
`model`: in the graph. `stitch`: analysis, synthesis, overlap-add, resampling and residual."""


class Meter:
    """The last `capacity` hops' durations in seconds, and totals since the start.

    Args:
        capacity: rows kept; the default is a minute of 10 ms hops.
    """

    __slots__ = ("_count", "_rows", "audio_s", "compute_s", "hops")

    def __init__(self, capacity: int = 6000) -> None:
        self._rows = np.zeros((capacity, len(STAGES)), np.float32)
        self._count = 0
        self.hops = 0
        self.compute_s = 0.0
        self.audio_s = 0.0

    def record(self, latency_s: float, queue_s: float, model_s: float, stitch_s: float) -> None:
        """One hop's durations, seconds, in the order of `STAGES`."""
        self._rows[self._count % len(self._rows)] = (latency_s, queue_s, model_s, stitch_s)
        self._count += 1
        self.hops += 1

    def add_compute(self, compute_s: float, audio_s: float) -> None:
        """Seconds of computing spent on `audio_s` seconds of sound (a share of a batch counts as a share)."""
        self.compute_s += compute_s
        self.audio_s += audio_s

    @property
    def rtf(self) -> float:
        """Real-time factor: compute time over audio time, below 1 is faster than real time; 0 before any hop."""
        return self.compute_s / self.audio_s if self.audio_s else 0.0

    def percentiles(self, stage: str) -> tuple[float, float, float]:
        """p50, p95, p99 of a stage in seconds over the rows kept; zeros before any hop.

        Raises:
            ValueError: no such stage.
        """
        filled = min(self._count, len(self._rows))
        if not filled:
            STAGES.index(stage)
            return (0.0, 0.0, 0.0)
        p50, p95, p99 = np.percentile(self._rows[:filled, STAGES.index(stage)], (50, 95, 99))
        return (float(p50), float(p95), float(p99))

    def reset(self) -> None:
        """Forget the rows (a stats message covers one second); totals stay."""
        self._count = 0
