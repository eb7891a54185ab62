"""Arrival latency by the contract: time of receipt minus time of capture of a hop's first sample.

The first sample of a chunk was captured one chunk length before the chunk was sent.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

_REMEMBERED_CHUNKS = 2048


class Captures:
    """When each sample was captured and sent: the chunks of the last seconds, in order."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._chunks: deque[tuple[int, int, float]] = deque(maxlen=_REMEMBERED_CHUNKS)

    def sent(self, first: int, end: int, now_s: float) -> None:
        """Samples `[first, end)` were sent at `now_s`."""
        self._chunks.append((first, end, now_s))

    def captured_s(self, pts: int) -> float | None:
        """When sample `pts` was captured: its chunk's time of sending minus what follows it in the chunk."""
        for first, end, now_s in reversed(self._chunks):
            if first <= pts < end:
                return now_s - (end - pts) / self._rate
        return None

    def completed_s(self, pts: int) -> float | None:
        """When all samples before `pts` had been sent."""
        found = None
        for first, end, now_s in reversed(self._chunks):
            if end < pts:
                break
            if first < pts:
                found = now_s
        return found


def percentiles_ms(durations_s: Sequence[float]) -> dict[str, float]:
    """p50, p95 and p99 in milliseconds; zeros where there is nothing."""
    if not durations_s:
        return {"p50": 0.0, "p95": 0.0, "p99": 0.0}
    found = np.percentile(np.asarray(durations_s), (50, 95, 99)) * 1000.0
    return {name: round(float(value), 3) for name, value in zip(("p50", "p95", "p99"), found, strict=True)}
