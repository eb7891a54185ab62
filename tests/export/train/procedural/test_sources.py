from __future__ import annotations

import numpy as np
import pytest

from export.train.corpus import SAMPLE_RATE
from export.train.procedural import sources
from tests.export.train.procedural.listening import envelope, middle_hz, peak_hz, power_between, share_between


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def test_harmonics_stand_at_their_multiples_and_weights() -> None:
    tone = sources.oscillate(np.full(SAMPLE_RATE, 500.0), [1.0, 0.0, 0.5])
    spectrum = np.abs(np.fft.rfft(tone)) / (SAMPLE_RATE / 2)
    np.testing.assert_allclose(spectrum[[500, 1000, 1500]], [1.0, 0.0, 0.5], atol=1e-3)


def test_harmonics_above_hearing_are_left_out() -> None:
    tone = sources.oscillate(np.full(4800, 9000.0), [1.0, 1.0, 1.0])
    assert share_between(tone, 20_000, 24_001) < 1e-3


def test_band_noise_lies_in_its_band(rng: np.random.Generator) -> None:
    noise = sources.band_noise(rng, SAMPLE_RATE, 800, 1600)
    assert np.sqrt(np.mean(np.square(noise))) == pytest.approx(1.0)
    assert share_between(noise, 600, 2200) > 0.9


def test_a_strike_sounds_at_its_partials_and_decays_to_one_eth(rng: np.random.Generator) -> None:
    struck = sources.strike(rng, np.array([700.0, 30_000.0]), np.array([0.2]), np.array([1.0]), 1.0)
    assert peak_hz(struck) == pytest.approx(700, abs=2)
    level = envelope(struck)
    assert level[30] / level[10] == pytest.approx(np.exp(-1), rel=0.03)


def test_a_body_never_sounds_twice_the_same(rng: np.random.Generator) -> None:
    body = sources.drawn_body(rng, 6, (300, 900), (0.02, 0.05))
    first, second = body.hit(rng), body.hit(rng)
    assert not np.array_equal(first, second)
    assert 100 < middle_hz(first) < 8000


def test_falling_noise_loses_its_highs_first(rng: np.random.Generator) -> None:
    noise = sources.falling_noise(rng, 1.0, [(50, 300, 0.3, 1.0), (3000, 9000, 0.03, 1.0)])
    assert middle_hz(noise[:2400]) > middle_hz(noise[12_000:])


def test_coloured_noise_has_the_slope_asked_for() -> None:
    x = sources.coloured_noise(np.random.default_rng(0), SAMPLE_RATE * 4, -6.0)
    # bands of equal width an octave apart: 6 dB less
    assert 10 * np.log10(power_between(x, 1000, 1200) / power_between(x, 2000, 2200)) == pytest.approx(6, abs=1)
    assert np.sqrt(np.mean(x**2)) == pytest.approx(1)


def test_a_tone_is_at_its_frequency_and_its_partials_stay_below_the_top() -> None:
    rng = np.random.default_rng(0)
    f0 = np.full(SAMPLE_RATE, 440.0)
    x = sources.table_tone(f0, sources.falling_weights(rng, 1.0, 440.0, top_hz=5000))
    assert int(np.abs(np.fft.rfft(x)).argmax()) == 440
    assert power_between(x, 5100, 24_000) < 1e-4 * power_between(x, 0, 5100)
