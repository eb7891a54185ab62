"""The noise a window starts from, tied to the absolute number of each latent frame.

Frame 1000 of a stream gets the same noise in whichever window it lies, so that neighbouring windows start from the same
place where they overlap. A counter-based generator (Philox; Salmon et al., "Parallel random numbers: as easy as 1, 2,
3", 2011) makes the noise of any frame directly. It is the exporter's, number for number.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_BLOCK = 32
"""Frames made and kept together."""


def frame_noise(seed: int, first: int, frames: int, channels: int) -> Floats:
    """Standard normal `(frames, channels)` for the frames `first …` of the noise called `seed` (0 … 2⁶⁴ - 1)."""
    made = np.empty((frames, channels), np.float32)
    done = 0
    while done < frames:
        block, offset = divmod(first + done, _BLOCK)
        part = _block(seed, block, channels)[offset : offset + frames - done]
        made[done : done + len(part)] = part
        done += len(part)
    return made


@lru_cache(maxsize=128)
def _block(seed: int, number: int, channels: int) -> Floats:
    rows = [
        # A frame draws far fewer than the 2⁶⁴ blocks between one value of the counter's second word and the next.
        np.random.Generator(np.random.Philox(key=seed, counter=[0, frame, 0, 0])).standard_normal(
            channels, dtype=np.float32
        )
        for frame in range(number * _BLOCK, (number + 1) * _BLOCK)
    ]
    return np.stack(rows)
