"""What the tests of procedural sounds measure, and what every kind is held to."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from export.train.corpus import SAMPLE_RATE
from export.train.procedural.kind import Float64, Kind


def takes(kind: Kind, count: int = 4) -> Iterator[Float64]:
    """Clips of a kind, each of its own seed."""
    for seed in range(count):
        yield kind.make(np.random.default_rng([seed, 3]))


def called(kinds: tuple[Kind, ...], label: str, name: str) -> Kind:
    return next(kind for kind in kinds if (kind.label, kind.name) == (label, name))


def each(kinds: tuple[Kind, ...]) -> list[object]:
    return [pytest.param(kind, id=f"{kind.label}-{kind.name}") for kind in kinds]


def check_clip(kind: Kind) -> None:
    """Finite, 5 s at most, audible, nearly all of it above 15 Hz; takes differ; a seed makes the same again."""
    clips = list(takes(kind, 3))
    for clip in clips:
        assert clip.ndim == 1
        assert 0.2 * SAMPLE_RATE <= len(clip) <= 5 * SAMPLE_RATE
        assert np.isfinite(clip).all()
        loudest = np.abs(clip).max()
        assert loudest > 1e-3
        # not one click in silence
        assert np.mean(np.abs(clip) > 0.003 * loudest) > 0.02
        assert share_between(clip, 0, 15) < 0.2
    for one, other in zip(clips[1:], clips[:-1], strict=True):
        assert not np.array_equal(one, other)
    np.testing.assert_array_equal(clips[0], next(takes(kind)))


def _power(x: Float64) -> tuple[Float64, Float64]:
    power = np.asarray(np.square(np.abs(np.fft.rfft(x))), np.float64)
    return np.asarray(np.fft.rfftfreq(len(x), 1 / SAMPLE_RATE), np.float64), power


def power_between(x: Float64, low_hz: float, high_hz: float) -> float:
    """The energy between two frequencies."""
    frequency_hz, power = _power(x)
    return float(power[(frequency_hz >= low_hz) & (frequency_hz < high_hz)].sum())


def share_between(x: Float64, low_hz: float, high_hz: float) -> float:
    """The part of the energy between two frequencies."""
    frequency_hz, power = _power(x)
    return float(power[(frequency_hz >= low_hz) & (frequency_hz < high_hz)].sum() / power.sum())


def peak_hz(x: Float64) -> float:
    """The strongest frequency."""
    frequency_hz, power = _power(x)
    return float(frequency_hz[int(np.argmax(power))])


def middle_hz(x: Float64) -> float:
    """Half of the energy lies below it."""
    frequency_hz, power = _power(x)
    return float(frequency_hz[int(np.searchsorted(np.cumsum(power), power.sum() / 2))])


def envelope(x: Float64, step_s: float = 0.01) -> Float64:
    """RMS of each step."""
    step = int(step_s * SAMPLE_RATE)
    return np.asarray(np.sqrt(np.square(x[: len(x) // step * step]).reshape(-1, step).mean(1)))


def onsets(x: Float64, step_s: float = 0.01, threshold: float = 0.3) -> int:
    """How often the envelope rises through `threshold` of its peak."""
    loud = envelope(x, step_s) > threshold * envelope(x, step_s).max()
    return int(np.sum(loud[1:] & ~loud[:-1]) + loud[0])


def beat_hz(x: Float64, low_hz: float, high_hz: float) -> float:
    """The strongest rate of the envelope between two bounds."""
    step_s, size = 0.005, 16_384
    loud = envelope(x, step_s)
    spectrum = np.abs(np.fft.rfft((loud - loud.mean()) * np.hanning(len(loud)), size))
    rate_hz = np.fft.rfftfreq(size, step_s)
    inside = (rate_hz >= low_hz) & (rate_hz <= high_hz)
    return float(rate_hz[inside][spectrum[inside].argmax()])


def burstiness(x: Float64) -> float:
    """Peak over RMS, in dB."""
    return float(20 * np.log10(np.abs(x).max() / np.sqrt(np.mean(np.square(x)))))
