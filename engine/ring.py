"""A preallocated buffer of the newest samples of one stream, addressed by absolute sample index.

Kept as one linear array twice as long as what it must hold: a read is always one contiguous view, and the newest half
is moved to the front once per `capacity` samples instead of wrapping at every window.
"""

from __future__ import annotations

import numpy as np

from engine.errors import EngineFault
from engine.frames import Samples


class RingBuffer:
    """The last `capacity` samples (at least) of a stream that began at index `start`.

    Args:
        channels: rows of the buffer.
        capacity: samples that stay readable behind `end`.
        start: absolute index of the first sample that will be pushed.
    """

    __slots__ = ("_base", "_capacity", "_data", "_fill", "end", "needed")

    def __init__(self, channels: int, capacity: int, start: int = 0) -> None:
        self._data: Samples = np.zeros((channels, 2 * capacity), np.float32)
        self._capacity = capacity
        self._fill = 0
        self._base = start
        """Absolute index of the first column."""
        self.end = start
        """Absolute index one past the newest sample."""
        self.needed = start
        """Absolute index of the oldest sample the owner still wants, however far behind `end`; the owner moves it."""

    @property
    def begin(self) -> int:
        """Absolute index of the oldest sample that can still be read."""
        return self._base

    def push(self, samples: Samples) -> None:
        """Append `(channels, n)` samples; views given out before are no longer valid.

        What `needed` keeps may exceed the capacity: the array then grows for good (a caller bounds how far it lags).
        """
        count = samples.shape[1]
        if self._fill + count > self._data.shape[1]:
            self._make_room(count)
        self._data[:, self._fill : self._fill + count] = samples
        self._fill += count
        self.end += count

    def _make_room(self, count: int) -> None:
        keep = min(self._fill, max(self._capacity, self.end - self.needed))
        if keep + count > self._data.shape[1]:
            grown = np.zeros((self._data.shape[0], 2 * (keep + count)), np.float32)
            grown[:, :keep] = self._data[:, self._fill - keep : self._fill]
            self._data = grown
        else:
            # Source and target may overlap when the array has grown by an odd amount: numpy copies as if through a
            # temporary, so the move is safe.
            self._data[:, :keep] = self._data[:, self._fill - keep : self._fill]
        self._base += self._fill - keep
        self._fill = keep

    def read(self, begin: int, end: int) -> Samples:
        """View of samples `[begin, end)`, shape `(channels, end - begin)`; valid until the next push.

        Raises:
            EngineFault: the stretch was never pushed or has left the buffer.
        """
        if begin < self._base or end > self.end or begin > end:
            raise EngineFault(f"ring holds [{self._base}, {self.end}), asked for [{begin}, {end})")
        return self._data[:, begin - self._base : end - self._base]
