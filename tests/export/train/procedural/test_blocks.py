from __future__ import annotations

import numpy as np
import pytest

from export.train.corpus import SAMPLE_RATE
from export.train.procedural import blocks


def _power(x: blocks.Float64, low_hz: float, high_hz: float) -> float:
    f = np.fft.rfftfreq(len(x), 1 / SAMPLE_RATE)
    spectrum = np.abs(np.fft.rfft(x)) ** 2
    return float(spectrum[(f >= low_hz) & (f < high_hz)].sum())


def test_coloured_noise_has_the_slope_asked_for() -> None:
    x = blocks.coloured(np.random.default_rng(0), SAMPLE_RATE * 4, -6.0)
    # bands of equal width an octave apart: 6 dB less
    assert 10 * np.log10(_power(x, 1000, 1200) / _power(x, 2000, 2200)) == pytest.approx(6, abs=1)
    assert np.sqrt(np.mean(x**2)) == pytest.approx(1)


def test_a_tone_is_at_its_frequency_and_its_partials_stay_below_the_top() -> None:
    rng = np.random.default_rng(0)
    f0 = np.full(SAMPLE_RATE, 440.0)
    x = blocks.tone(f0, blocks.harmonics(rng, 1.0, 440.0, top_hz=5000))
    assert int(np.abs(np.fft.rfft(x)).argmax()) == 440
    assert _power(x, 5100, 24_000) < 1e-4 * _power(x, 0, 5100)


def test_a_resonance_rings_after_the_stroke_and_not_before() -> None:
    x = np.zeros(SAMPLE_RATE)
    x[24_000] = 1
    y = blocks.resonate(x, [500.0], [40.0], [1.0])
    assert np.sum(y[24_000:34_000] ** 2) > 1000 * np.sum(y[14_000:23_990] ** 2)
    assert _power(y, 400, 600) > 5 * _power(y, 600, 24_000)


@pytest.mark.parametrize("n", [480, 4800, 47_997])
def test_sculpting_with_a_gain_of_one_changes_nothing(n: int) -> None:
    x = np.random.default_rng(0).standard_normal(n)
    gain = np.ones((blocks.frames_of(n), len(blocks.BINS_HZ)))
    np.testing.assert_allclose(blocks.sculpt(x, gain), x, atol=1e-9)
    assert len(blocks.frame_clock(n)) == blocks.frames_of(n)


def test_ticks_come_at_their_rate() -> None:
    at = blocks.ticks(np.full(SAMPLE_RATE * 4, 25.0), np.random.default_rng(0))
    assert len(at) == pytest.approx(100, abs=1)
    np.testing.assert_allclose(np.diff(at), SAMPLE_RATE / 25, atol=2)
