"""How far each low bin's phase went on since the last hop: what tells a voice's harmonics from a hum or a rush.

A window of 20 ms blurs the harmonics of a low voice into one another, and magnitudes alone do not tell whether a bin
holds a tone or noise. A tone at (k + d) · 50 Hz turns by pi (k + d) from one hop to the next (480 samples are half a
window), so the angle of `X[t, k] X*[t - 1, k] (-1)^k` is pi d: the tone's distance from the bin, the phase vocoder's
instantaneous frequency (Flanagan and Golden 1966). Without a millisecond of look-ahead.
"""

from __future__ import annotations

import torch
from torch import Tensor

from export.models.bands import GROUPS

MOST = GROUPS[0][0]
"""Bins that may be looked at: those that are a band of their own, to 4.8 kHz."""
TINY = 1e-24
"""Added to |X|^4, so that silence has no phase rather than any: |X| = 1e-6 is a sine at -170 dBFS in one bin."""


def turns(bins: int) -> Tensor:
    """`[bins]`: 1, -1, 1, …: what a tone at a bin's centre turns by in a hop."""
    signs = torch.ones(bins)
    signs[1::2] = -1
    return signs


def advance(low: Tensor) -> Tensor:
    """Complex `low [1 + T, ..., bins]`, the first hop of them past → `[T, ..., 2 · bins]`: cosines and then sines."""
    product = low[1:] * low[:-1].conj() * turns(low.shape[-1]).to(low.device)
    shrink = torch.rsqrt(product.real.square() + product.imag.square() + TINY)
    return torch.cat([product.real * shrink, product.imag * shrink], -1)
