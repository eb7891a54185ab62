"""A lost stretch rebuilt from both of its sides: by the time a loss is certain, the packet after it is mostly here.

libopus only continues what came before (`OpusDecoder.conceal`). That is kept as the first guess, because it meets the
decoded packets on both sides without a step. Below 7 kHz it is then replaced by the most likely signal between the two
sides, given how each of them predicts itself: the least-squares interpolation of an autoregressive process (Janssen,
Veldhuis and Vries, "Adaptive interpolation of discrete-time signals that can be modeled as autoregressive processes",
1986; a symmetric Toeplitz system, solved by Levinson's recursion). An order of 10.6 ms spans a voice's pitch period.
It works at a third of the rate, which makes it a millisecond instead of eight.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, solve_toeplitz

from engine.frames import Samples

_Line = NDArray[np.float64]

_STEP = 3
"""48 kHz to 16 kHz."""
_REACH = 48
"""Samples on each side that the low-pass filter sees."""
_ORDER = 170
_HISTORY = 4080
"""Samples before the gap that are looked at: 85 ms."""
_LEARNED = 683
"""Low-rate samples on each side that the process is estimated from: 43 ms."""
_OVERLAP = 120
"""Samples at the start of the packet after the gap that libopus mixed with its guess (CELT's 2.5 ms overlap)."""
LONGEST_BRIDGE = 2880
"""Samples: 60 ms. Nothing resembles what was said longer ago; libopus's fade is kept there."""
_REGULARISED = 1e-5
_SILENCE = 1e-10


def _low_pass() -> _Line:
    """Windowed sinc, -6 dB at 7.2 kHz, unit gain at 0 Hz."""
    at = np.arange(-_REACH, _REACH + 1)
    taps = np.sinc(at * (2 * 7200 / 48_000)) * np.hamming(2 * _REACH + 1)
    unit_gain: _Line = taps / taps.sum()
    return unit_gain


_TAPS = _low_pass()


class Bridge:
    """Remembers what was heard last, and bridges gaps in it."""

    def __init__(self) -> None:
        self._heard: deque[Samples] = deque()
        self._count = 0

    def remember(self, sound: Samples) -> None:
        """`(channels, n)` went out; kept by reference, so it must not change any more."""
        self._heard.append(sound)
        self._count += sound.shape[1]
        while self._count - self._heard[0].shape[1] >= _HISTORY:
            self._count -= self._heard.popleft().shape[1]

    def forget(self) -> None:
        """Another source goes on: what was heard says nothing about it."""
        self._heard.clear()
        self._count = 0

    @property
    def heard(self) -> Samples:
        """What is remembered, `(channels, n)`: the newest 85 ms or a little more, less at the beginning."""
        return np.concatenate(self._heard, axis=1)

    def build(self, guess: Samples, after: Samples) -> tuple[Samples, Samples]:
        """The gap, and what follows it, better than the guess.

        Args:
            guess: `(channels, n)`, what the decoder made up.
            after: `(channels, m)`, what it decoded right after.

        Returns:
            Both with the same shapes; unchanged where too little is known to do better.
        """
        count = guess.shape[1]
        if count > LONGEST_BRIDGE or self._count < _HISTORY or after.shape[1] < 2 * (_OVERLAP + _REACH):
            return guess, after
        history = self.heard[:, -_HISTORY:]
        whole = np.concatenate([history, guess, after], axis=1).astype(np.float64)
        begin, end = _HISTORY // _STEP, (_HISTORY + count + _OVERLAP) // _STEP
        # Mono heard in stereo is the usual case: half the work.
        rows = whole[:1] if np.array_equal(whole[0], whole[-1]) else whole
        changes = [_correction(row, begin, end) for row in rows]
        whole += changes if len(changes) == whole.shape[0] else changes[0]
        rebuilt = whole[:, _HISTORY:].astype(np.float32)
        return rebuilt[:, :count], rebuilt[:, count:]


def _correction(row: _Line, begin: int, end: int) -> _Line:
    """What to add to a channel so that its low-rate samples `[begin, end)` are the most likely ones."""
    padded = np.concatenate([np.zeros(_REACH), row, np.zeros(_REACH)])
    low: _Line = sliding_window_view(padded, 2 * _REACH + 1)[::_STEP] @ _TAPS
    # The filter sees beyond the last sample: what it makes there is no evidence.
    known = low[end : low.size - _REACH // _STEP]
    found = most_likely(low[:begin], known, end - begin)
    if found is None:
        return np.zeros_like(row)
    spread = np.zeros(padded.size)
    spread[_REACH : _REACH + row.size : _STEP][begin:end] = _STEP * (found - low[begin:end])
    change: _Line = np.convolve(spread, _TAPS, "same")[_REACH : _REACH + row.size]
    return change


def most_likely(before: _Line, after: _Line, count: int) -> _Line | None:
    """The `count` samples between two sides, by Janssen's interpolation; None where both are silent."""
    order = min(_ORDER, before.size, after.size)
    likeness = _autocorrelation(before[-_LEARNED:], order) + _autocorrelation(after[:_LEARNED][::-1], order)
    if likeness[0] < _SILENCE or order < 8:
        return None
    likeness[0] *= 1.0 + _REGULARISED
    try:
        weights = solve_toeplitz(likeness[:order], likeness[1:])
        whitening = np.concatenate([[1.0], -weights])
        # Sum of squared prediction errors as a quadratic form: its matrix holds the whitening filter's correlation.
        form = np.correlate(whitening, whitening, "full")
        sides = np.zeros(2 * order + count)
        sides[:order], sides[order + count :] = before[-order:], after[:order]
        pull = np.convolve(sides, form, "same")[order : order + count]
        column = np.zeros(count)
        column[: min(order + 1, count)] = form[order:][:count]
        found: _Line = solve_toeplitz(column, -pull)
    except LinAlgError:
        return None
    # A process estimated from two different sides can ring: louder than both it is no estimate any more.
    loudest = max(np.abs(before[-_LEARNED:]).max(), np.abs(after).max())
    return found if np.isfinite(found).all() and np.abs(found).max() <= 2.0 * loudest else None


def _autocorrelation(sound: _Line, order: int) -> _Line:
    """Lags 0 to `order`, weighted towards the end of `sound`; a longer sound knows more, and so counts more."""
    size = 1 << (2 * sound.size - 1).bit_length()
    power = np.abs(np.fft.rfft(sound * _window(sound.size), size)) ** 2
    lags: _Line = np.fft.irfft(power, size)[: order + 1]
    return lags


def _window(size: int) -> _Line:
    """Rises over nine tenths, falls over one: what is nearest to the gap counts most."""
    rise = int(size * 0.9)
    up = np.sin(np.pi / 2 * (np.arange(rise) + 0.5) / rise)
    down = np.cos(np.pi / 2 * (np.arange(size - rise) + 0.5) / (size - rise))
    return np.concatenate([up, down])
