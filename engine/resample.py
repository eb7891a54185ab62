"""Streaming resampling by FFmpeg's libswresample (through PyAV): sample 0 out is sample 0 in, however it is chunked.

The library compensates its own delay in the data (the first sample that comes out stands for the first that went in)
and only holds back what its filter still needs, a constant 0.3–2 ms (a soxr stream holds 6–175 ms).
"""

from __future__ import annotations

import math
from functools import lru_cache

import av
import numpy as np

from engine.errors import BadInput
from engine.frames import Samples

LOWEST_RATE = 8_000
HIGHEST_RATE = 192_000
_LAYOUTS = {1: "mono", 2: "stereo"}


def check_rate(field: str, rate: int) -> None:
    """Refuse a sample rate that we do not carry.

    Raises:
        BadInput: outside 8–192 kHz; names `field`.
    """
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise BadInput(field, f"a sample rate in Hz from {LOWEST_RATE} to {HIGHEST_RATE}", rate)


class StreamResampler:
    """One stream from `from_rate` to `to_rate`.

    Args:
        channels: 1 or 2.
        from_rate: Hz of what is pushed.
        to_rate: Hz of what comes out.
    """

    __slots__ = ("_channels", "_from_rate", "_inner", "_layout")

    def __init__(self, channels: int, from_rate: int, to_rate: int) -> None:
        self._channels = channels
        self._from_rate = from_rate
        self._layout = _LAYOUTS[channels]
        self._inner = av.AudioResampler(format="fltp", layout=self._layout, rate=to_rate)

    def push(self, samples: Samples) -> Samples:
        """Give `(channels, n)` samples, get what is ready: `(channels, m)`, m may be 0."""
        if samples.shape[1] == 0:
            return samples
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="fltp", layout=self._layout)
        frame.sample_rate = self._from_rate
        ready: list[Samples] = [out.to_ndarray() for out in self._inner.resample(frame)]  # type: ignore[misc]
        if len(ready) == 1:
            return ready[0]
        return np.concatenate(ready, axis=1) if ready else np.zeros((self._channels, 0), np.float32)


@lru_cache(maxsize=64)
def resampling_delay(from_rate: int, to_rate: int) -> int:
    """Samples (at `from_rate`) that a resampler may hold back.

    Output `k` is out once input `k * from_rate / to_rate + delay` is in. Measured once per pair, by pushing 0.2 s of
    silence in 1 ms pieces, since the library does not tell.
    """
    if from_rate == to_rate:
        return 0
    resampler = StreamResampler(1, from_rate, to_rate)
    piece = np.zeros((1, max(from_rate // 1000, 1)), np.float32)
    received = returned = 0
    held = 0.0
    for _ in range(200):
        received += piece.shape[1]
        returned += resampler.push(piece).shape[1]
        held = max(held, received - returned * from_rate / to_rate)
    return math.ceil(held)


def converted_count(count: int, from_rate: int, to_rate: int) -> int:
    """How many samples at `to_rate` stand for `count` at `from_rate`: rounded to the nearest, half up."""
    return (2 * count * to_rate + from_rate) // (2 * from_rate)


def common_grid(rate: int, other: int) -> int:
    """Smallest number of samples at `rate` that is a whole number of samples at `other`."""
    return rate // math.gcd(rate, other)
