"""The noise a separation starts from, tied to the absolute number of each frame.

Frame 1000 of a stream gets the same noise whichever window it is seen in, so that neighbouring windows start from the
same place where they overlap. A counter-based generator (Philox, Salmon et al. 2011) makes any frame's noise directly.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def frame_noise(seed: int, first: int, frames: int, channels: int) -> Tensor:
    """Standard normal `[frames, channels]` for the frames `first …` of the stream called `seed` (0 … 2⁶⁴ - 1)."""
    rows = [
        # a frame draws far fewer than the 2⁶⁴ blocks between one value of the counter's second word and the next
        np.random.Generator(np.random.Philox(key=seed, counter=[0, first + number, 0, 0])).standard_normal(
            channels, dtype=np.float32
        )
        for number in range(frames)
    ]
    return torch.from_numpy(np.stack(rows))
