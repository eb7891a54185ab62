"""How many rows of the graph one inference thread carries, learnt from its own ticks. No thread and no clock in it.

A tick (messages in, one step, messages out) takes `fixed + each · hops` seconds for `hops` hops of rows. The line is
fitted to the recent ticks and to a rehearsal before the first session, so it is known from the first session on and for
more rows than have ever been live: a crowd that connects within a second is turned away before anyone hears it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import numpy as np

_REMEMBERED_TICKS = 1024
_LEAST_S = 1e-6
_MOST_OVER = 3.0
"""The machine's own hiccups are not the sessions' fault: a tick longer than this times the line counts as this much."""


class Capacity:
    """See the module.

    Args:
        limit_s: how long the 95th percentile of a tick may become that carries one hop of every row.
    """

    def __init__(self, limit_s: float) -> None:
        self.limit_s = limit_s
        self._rehearsed: list[tuple[float, float]] = []
        self._ticks: deque[tuple[float, float]] = deque(maxlen=_REMEMBERED_TICKS)
        self._fixed_s = self._each_s = _LEAST_S
        self._spread = 1.0

    def rehearsed(self, ticks: Iterable[tuple[int, float]]) -> None:
        """Hops and seconds of ticks before any session; they stay in every fit."""
        self._rehearsed = [(float(hops), took_s) for hops, took_s in ticks]
        self.fit()

    def note(self, hops: int, took_s: float) -> None:
        """One tick: hops of slots in it, and its seconds."""
        if self._rehearsed:
            took_s = min(took_s, _MOST_OVER * (self._fixed_s + self._each_s * hops))
        self._ticks.append((hops, took_s))

    def fit(self) -> None:
        """Draw the line anew (least squares, neither end below zero) and measure how far ticks lie above it."""
        rows = np.array([*self._rehearsed, *self._ticks], np.float64)
        if not len(rows):
            return
        hops, took_s = rows.T
        middle, mean_s = hops.mean(), took_s.mean()
        varied = float(np.sum((hops - middle) ** 2))
        each_s = float(np.sum((hops - middle) * (took_s - mean_s))) / varied if varied else mean_s / middle
        self._each_s = min(max(each_s, _LEAST_S), float(mean_s / middle))
        self._fixed_s = float(mean_s - self._each_s * middle)
        above = took_s / (self._fixed_s + self._each_s * hops)
        self._spread = max(float(np.percentile(above, 95)), 1.0)

    def tick_s(self, rows: int) -> float:
        """95th percentile of a tick that carries one hop of each of `rows`."""
        return self._spread * (self._fixed_s + self._each_s * rows)

    @property
    def costs_s(self) -> tuple[float, float]:
        """95th percentile of what a tick takes before its first hop, and for each hop of a row."""
        return self._spread * self._fixed_s, self._spread * self._each_s

    @property
    def most_rows(self) -> int:
        """Rows up to which a tick stays within the limit."""
        return max(int((self.limit_s / self._spread - self._fixed_s) / self._each_s), 0)
