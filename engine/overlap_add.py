"""Crossfade stitching of overlapping windows: one array holds the unfinished tail of every row.

A row is one channel of one slot. Each frame covers `hop + crossfade` samples and has its fades already applied (for a
short-time Fourier program the synthesis window, for a windowed program the crossfade of `linear_fades`); neighbours
are `hop` apart, so a sample is the sum of at most `1 + ceil(crossfade / hop)` frames.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.float32]


class OverlapAdd:
    """The tails of `rows` streams.

    Args:
        rows: number of streams that can be held.
        hop: samples that each frame finishes.
        crossfade: samples that each frame shares with what follows.
    """

    def __init__(self, rows: int, hop: int, crossfade: int) -> None:
        self.hop = hop
        self.crossfade = crossfade
        self._tails: Frames = np.zeros((rows, crossfade), np.float32)

    def grow(self, rows: int) -> None:
        """Hold at least `rows` streams; what is held stays."""
        if rows > len(self._tails):
            grown = np.zeros((rows, self.crossfade), np.float32)
            grown[: len(self._tails)] = self._tails
            self._tails = grown

    def reset(self, rows: list[int]) -> None:
        """Forget the tails of `rows`: the next frame fades in from silence."""
        self._tails[rows] = 0.0

    def tails(self, rows: list[int]) -> Frames:
        """Copy of the tails of `rows`, `(len(rows), crossfade)`."""
        return self._tails[rows]

    def restore(self, rows: list[int], tails: Frames) -> None:
        """Put back what `tails` returned."""
        self._tails[rows] = tails

    def add(self, rows: NDArray[np.intp], frames: Frames) -> Frames:
        """Add `frames` `(len(rows), count, hop + crossfade)` and return the finished `(len(rows), count * hop)`.

        `rows` must be distinct: a row that stood twice would keep only one of its tails.
        """
        number, count, _ = frames.shape
        total = count * self.hop + self.crossfade
        if count == 1 and self.crossfade <= self.hop:
            return self._add_one(rows, frames[:, 0])
        line = np.zeros((number, total), np.float32)
        line[:, : self.crossfade] = self._tails[rows]
        for index in range(-(-(self.hop + self.crossfade) // self.hop)):
            # Frames that are `step` apart never overlap when cut to hop-long blocks: block `index` of every frame
            # lands on a regular grid, so the whole column is one strided addition.
            block = frames[:, :, index * self.hop : (index + 1) * self.hop]
            width = block.shape[2]
            start = index * self.hop
            grid = line[:, start : start + count * self.hop]
            if width == self.hop and grid.shape[1] == count * self.hop:
                grid += block.reshape(number, count * self.hop)
            else:
                for step in range(count):
                    offset = start + step * self.hop
                    line[:, offset : offset + width] += block[:, step]
        self._tails[rows] = line[:, count * self.hop :]
        return line[:, : count * self.hop]

    def _add_one(self, rows: NDArray[np.intp], frame: Frames) -> Frames:
        # The live case: one frame, at most one neighbour.
        finished = frame[:, : self.hop].copy()
        finished[:, : self.crossfade] += self._tails[rows]
        self._tails[rows] = frame[:, self.hop :]
        return finished


def root_hann(window: int) -> NDArray[np.float32]:
    """Square root of the periodic Hann window, `(window,)`.

    Used on both sides of the transform, its square sums to one at 50 % overlap (Princen-Bradley condition).
    """
    phase = 2.0 * np.pi * np.arange(window) / window
    return np.sqrt(0.5 - 0.5 * np.cos(phase)).astype(np.float32)


def linear_fades(hop: int, crossfade: int) -> NDArray[np.float32]:
    """Weights `(hop + crossfade,)` that fade a windowed program's output in and out linearly and sum to one.

    Equal gain, not equal power: neighbouring windows saw the same mixture, so their outputs are nearly equal.

    Raises:
        ValueError: the crossfade is longer than the hop.
    """
    if crossfade > hop:
        raise ValueError(f"crossfade {crossfade} is longer than hop {hop}")
    weights = np.ones(hop + crossfade, np.float32)
    ramp = (np.arange(crossfade, dtype=np.float32) + 0.5) / max(crossfade, 1)
    weights[:crossfade] = ramp
    weights[hop:] = 1.0 - ramp
    return weights
