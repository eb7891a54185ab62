"""The sender's clock against ours: how much quicker it runs, and sound kept in step with ours without a click.

Two sound cards never agree: 50 ppm are 180 ms an hour, which a listener's buffer would have to swallow and a picture
would show. The quickest packet of each second lies on a line whose slope is the drift (a late packet says nothing about
the sender's clock). Once the line has moved by a few samples, one block is made a sample shorter or longer by
resampling its middle; all other blocks pass untouched, so nothing is added to the delay and nothing is filtered.
"""

from __future__ import annotations

from collections import deque
from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from engine.frames import Samples

_BUCKET_S = 1.0
_MOST_BUCKETS = 60
_LEAST_BUCKETS = 8
_STEP_S = 0.005
"""A bucket this far off the line is no drift: a stall, or another route."""
_STEPS_IN_A_ROW = 3
_LARGEST_PPM = 500.0
"""More is no clock: somebody sends faster or slower than the time that passes."""
_SLACK = 4
"""Samples that the line may be off before a block is changed."""

_TAPS = 32
_HALF = _TAPS // 2
_PHASES = 512
SHORTEST_BLOCK = 240
"""Samples: a shorter block is not changed."""


class DriftEstimator:
    """Fits a line through the quickest transits. Times in seconds of our clock.

    A transit is the time of arrival minus the sender's time stamp; only its change matters.
    """

    def __init__(self, rate: int = 48_000) -> None:
        self._rate = rate
        self._moved = 0.0
        """Samples that were due before the last `restart`."""
        self._clear()

    def _clear(self) -> None:
        self._buckets: deque[tuple[float, float]] = deque(maxlen=_MOST_BUCKETS)
        self._odd: list[tuple[float, float]] = []
        self._bucket_began_s: float | None = None
        self._quickest: tuple[float, float] = (0.0, 0.0)
        self._line: tuple[float, float, float] | None = None
        self._reference_s: float | None = None

    def restart(self, now_s: float) -> None:
        """Another sender or another clock: what is due stays due, the line is forgotten."""
        self._moved = self.due(now_s)
        self._clear()

    def observe(self, transit_s: float, now_s: float) -> None:
        """One packet came."""
        if self._bucket_began_s is None:
            self._bucket_began_s, self._quickest = now_s, (now_s, transit_s)
        elif now_s - self._bucket_began_s >= _BUCKET_S:
            self._close_bucket(*self._quickest)
            self._bucket_began_s, self._quickest = now_s, (now_s, transit_s)
        elif transit_s < self._quickest[1]:
            self._quickest = (now_s, transit_s)

    @property
    def ppm(self) -> float:
        """By how much the sender's clock is quicker than ours; 0 until it can be told from jitter."""
        return 0.0 if self._line is None else -self._line[1] * 1e6

    def due(self, now_s: float) -> float:
        """How many samples the sender has sent too many (negative: too few) since the start, by our clock."""
        if self._line is None or self._reference_s is None:
            return self._moved
        at_s, slope, level = self._line
        return self._moved + (self._reference_s - (level + slope * (now_s - at_s))) * self._rate

    def _close_bucket(self, at_s: float, transit_s: float) -> None:
        if self._line is not None:
            line_at_s, slope, level = self._line
            off_s = transit_s - (level + slope * (at_s - line_at_s))
            if abs(off_s) > _STEP_S:
                self._note_odd(at_s, off_s)
                return
        self._odd.clear()
        self._buckets.append((at_s, transit_s))
        self._fit()

    def _note_odd(self, at_s: float, off_s: float) -> None:
        """A stall passes; another route stays, and then everything known moves by the step."""
        self._odd.append((at_s, off_s))
        recent = [off for _, off in self._odd[-_STEPS_IN_A_ROW:]]
        if len(recent) < _STEPS_IN_A_ROW or max(recent) - min(recent) > _STEP_S:
            return
        step_s = float(np.median(recent))
        self._odd.clear()
        self._buckets = deque(((at, transit + step_s) for at, transit in self._buckets), maxlen=_MOST_BUCKETS)
        if self._reference_s is not None:
            self._reference_s += step_s
        self._fit()

    def _fit(self) -> None:
        """Least squares; the line counts once its slope stands out from the scatter."""
        if len(self._buckets) < _LEAST_BUCKETS:
            return
        at_s, transit_s = np.array(self._buckets).T
        middle_s = float(at_s.mean())
        offset = at_s - middle_s
        spread = float(offset @ offset)
        slope = float(offset @ transit_s) / spread
        level = float(transit_s.mean())
        scatter = transit_s - level - slope * offset
        error = float(np.sqrt(scatter @ scatter / (len(at_s) - 2) / spread))
        if abs(slope) > _LARGEST_PPM * 1e-6:
            self._line = None
            return
        if self._line is None and abs(slope) < 3.0 * error:
            return
        self._line = (middle_s, slope, level)
        if self._reference_s is None:
            self._reference_s = level + slope * float(offset[0])


class DriftCorrector:
    """Makes blocks a sample shorter or longer until as many were taken out as are due."""

    def __init__(self) -> None:
        self.removed = 0
        """Samples taken out so far; negative: put in."""
        self._rest = False

    def correct(self, samples: Samples, due: float) -> Samples:
        """`(channels, n)` to `(channels, n - 1)`, `(channels, n)` or `(channels, n + 1)`.

        Args:
            samples: the next block.
            due: samples that should have been taken out in all by now.
        """
        off = due - self.removed
        # Not in two blocks in a row: at 20 ms a block this bounds the change to 1000 ppm of a semitone's 6 %.
        if abs(off) < _SLACK or self._rest or samples.shape[1] < SHORTEST_BLOCK:
            self._rest = False
            return samples
        self._rest = True
        step = 1 if off > 0 else -1
        self.removed += step
        return shortened(samples, step)


def shortened(samples: Samples, step: int) -> Samples:
    """`(channels, n)` resampled to `(channels, n - step)`, step 1 or -1; both ends are exactly the samples given.

    The reading position slides by one sample along a raised cosine over the middle (windowed-sinc interpolation, Smith
    and Gossett 1984); the first and last 16 samples are left alone, so nothing outside the block is needed.
    """
    positions, phases = _positions(samples.shape[1], step)
    windows = sliding_window_view(samples, _TAPS, axis=1)[:, positions]
    middle: Samples = np.einsum("cnt,nt->cn", windows, _table()[phases])
    first, last = samples[:, :_HALF], samples[:, -_HALF:]
    slid: Samples = np.concatenate([first, middle, last], axis=1)
    return slid


@lru_cache(maxsize=32)
def _positions(count: int, step: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """First sample of the window, and phase, of each sample between the two untouched ends."""
    inner = count - step - 2 * _HALF
    along = np.arange(inner) / (inner - 1)
    at = _HALF + np.arange(inner) + step * 0.5 * (1.0 - np.cos(np.pi * along))
    whole = np.clip(np.floor(at), _HALF - 1, count - _HALF - 1).astype(np.intp)
    phases = np.rint((at - whole) * _PHASES).astype(np.intp)
    return whole - (_HALF - 1), phases


@lru_cache(maxsize=1)
def _table() -> NDArray[np.float32]:
    """Interpolation filters `(phases + 1, taps)`: Kaiser-windowed sinc, each with unit gain at 0 Hz."""
    phase = np.arange(_PHASES + 1)[:, None] / _PHASES
    at = np.arange(_TAPS)[None, :] - (_HALF - 1) - phase
    inside = np.clip(1.0 - (at / _HALF) ** 2, 0.0, None)
    taps = np.sinc(at) * np.i0(9.0 * np.sqrt(inside)) / np.i0(9.0)
    unit_gain: NDArray[np.float32] = (taps / taps.sum(axis=1, keepdims=True)).astype(np.float32)
    return unit_gain
