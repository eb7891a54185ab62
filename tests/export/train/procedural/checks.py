"""What every kind of procedural sound is held to, and measures of sounds."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from export.train.corpus import SAMPLE_RATE
from export.train.procedural.kind import Kind

Float64 = npt.NDArray[np.float64]


def hold(kind: Kind) -> None:
    """Finite, audible, at most 5 s, the same for a seed, another for another seed."""
    takes = [kind.make(np.random.default_rng([seed, 3])) for seed in (0, 0, 1, 2)]
    for take in takes:
        assert take.ndim == 1
        assert 0.2 * SAMPLE_RATE <= len(take) <= 5 * SAMPLE_RATE
        assert np.isfinite(take).all()
        loudest = np.abs(take).max()
        assert loudest > 1e-3
        # not one click in silence
        assert np.mean(np.abs(take) > 0.003 * loudest) > 0.02
        assert abs(take.mean()) < 0.2 * np.sqrt(np.mean(take**2))
    np.testing.assert_array_equal(takes[0], takes[1])
    assert len(takes[0]) != len(takes[2]) or not np.allclose(takes[0], takes[2])
    assert len(takes[2]) != len(takes[3]) or not np.allclose(takes[2], takes[3])


def centroid_hz(x: Float64) -> float:
    """The centre of gravity of a sound's power spectrum."""
    power = np.abs(np.fft.rfft(x)) ** 2
    return float((power * np.fft.rfftfreq(len(x), 1 / SAMPLE_RATE)).sum() / power.sum())


def envelope(x: Float64, rate_hz: int = 200) -> Float64:
    """RMS per 1/rate_hz seconds."""
    size = SAMPLE_RATE // rate_hz
    return np.asarray(np.sqrt(np.mean(x[: len(x) // size * size].reshape(-1, size) ** 2, 1)))


def beat_hz(x: Float64, low_hz: float, high_hz: float) -> float:
    """The strongest rate of a sound's loudness between two bounds."""
    loud = envelope(x)
    spectrum = np.abs(np.fft.rfft((loud - loud.mean()) * np.hanning(len(loud)), 16_384))
    f = np.fft.rfftfreq(16_384, 1 / 200)
    inside = (f >= low_hz) & (f <= high_hz)
    return float(f[inside][spectrum[inside].argmax()])


def share(x: Float64, low_hz: float, high_hz: float) -> float:
    """The share of a sound's power between two frequencies."""
    power = np.abs(np.fft.rfft(x)) ** 2
    f = np.fft.rfftfreq(len(x), 1 / SAMPLE_RATE)
    return float(power[(f >= low_hz) & (f < high_hz)].sum() / power.sum())
