"""The spectrum that the engine feeds: 960-sample windows, square-root Hann, hop 480, numpy's unnormalised rfft."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import fft

Float32 = npt.NDArray[np.float32]
Complex64 = npt.NDArray[np.complex64]
WINDOW, HOP, BINS = 960, 480, 480
ROOT_HANN: Float32 = np.sqrt(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)).astype(np.float32)
"""Periodic, so that the squares of neighbours add up to one."""


def analyse(samples: Float32) -> Complex64:
    """`[..., n]` samples → `[..., n // 480 - 1, 480]` spectra, Nyquist left out."""
    windows = np.lib.stride_tricks.sliding_window_view(samples, WINDOW, axis=-1)[..., ::HOP, :]
    return np.asarray(fft.rfft(windows * ROOT_HANN, axis=-1)[..., :BINS], np.complex64)


def synthesise(spectra: Complex64) -> Float32:
    """`[frames, 480]` → `[(frames + 1) * 480]` samples; exact but for the Nyquist bin, save at the two outer hops."""
    padded = np.pad(spectra, ((0, 0), (0, 1)))
    windows = np.asarray(fft.irfft(padded, n=WINDOW, axis=-1), np.float32) * ROOT_HANN
    out = np.zeros((len(windows) + 1, HOP), np.float32)
    out[:-1] += windows[:, :HOP]
    out[1:] += windows[:, HOP:]
    return out.reshape(-1)
