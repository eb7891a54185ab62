"""What may be fed to a session: arrays of the agreed shape, and in them only ordinary numbers."""

from __future__ import annotations

import numpy as np

from engine.errors import BadInput
from engine.frames import Samples

LOUDEST = np.float32(1e4)
"""A sample 80 dB over full scale is no sound; further up, products of it overflow, and would take others with them."""


def checked(samples: Samples, channels: int) -> Samples:
    """The same array.

    Raises:
        BadInput: not float32 of shape `(channels, n)`.
    """
    if not isinstance(samples, np.ndarray):
        raise BadInput("samples", f"a numpy array, float32 of shape ({channels}, n)", type(samples).__name__)
    if samples.ndim != 2 or samples.shape[0] != channels or samples.dtype != np.float32:
        raise BadInput("samples", f"float32 of shape ({channels}, n)", f"{samples.dtype} {samples.shape}")
    return samples


def ordinary(samples: Samples) -> tuple[Samples, int]:
    """`(channels, n)` with silence for what is NaN, infinite or beyond `LOUDEST`, and how many values that were.

    Without any it is the same array.
    """
    # NaN compares false, so one look at both ends finds everything that is not an ordinary number.
    if not samples.size or (samples.max() < LOUDEST and samples.min() > -LOUDEST):
        return samples, 0
    wrong = ~(np.abs(samples) < LOUDEST)
    return np.where(wrong, np.float32(0.0), samples), int(wrong.sum())
