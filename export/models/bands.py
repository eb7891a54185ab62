"""480 bins of 50 Hz ↔ 160 bands: single bins to 4.8 kHz, then 2, 4 and 16 bins wide. Up there ears and sources blur."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

GROUPS: tuple[tuple[int, int], ...] = ((96, 1), (32, 2), (16, 4), (16, 16))
"""(bands, bins each), from below: 0–4.8, –8, –11.2, –24 kHz."""
BANDS = sum(count for count, _ in GROUPS)
BAND_OF_BIN: npt.NDArray[np.int64] = np.repeat(np.arange(BANDS), [w for count, w in GROUPS for _ in range(count)])


def band_power(power: Tensor) -> Tensor:
    """`[..., 480]` → `[..., 160]`, summed within each band."""
    parts, start = [], 0
    for count, width in GROUPS:
        piece = power[..., start : start + count * width]
        parts.append(piece if width == 1 else piece.unflatten(-1, (count, width)).sum(-1))
        start += count * width
    return torch.cat(parts, -1)


def to_bins(bands: Tensor) -> Tensor:
    """`[..., 160]` → `[..., 480]`: each bin takes its band's value."""
    return bands[..., torch.from_numpy(BAND_OF_BIN).to(bands.device)]
