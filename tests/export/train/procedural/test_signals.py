from __future__ import annotations

import numpy as np
import pytest

from export.train.corpus import SAMPLE_RATE
from export.train.procedural import signals
from tests.export.train.procedural.listening import envelope, middle_hz, onsets, peak_hz, share_between

RNG_SEED = 5


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(RNG_SEED)


def test_harmonics_stand_at_their_multiples_and_weights() -> None:
    tone = signals.oscillate(np.full(SAMPLE_RATE, 500.0), [1.0, 0.0, 0.5])
    spectrum = np.abs(np.fft.rfft(tone)) / (SAMPLE_RATE / 2)
    np.testing.assert_allclose(spectrum[[500, 1000, 1500]], [1.0, 0.0, 0.5], atol=1e-3)


def test_harmonics_above_hearing_are_left_out() -> None:
    tone = signals.oscillate(np.full(4800, 9000.0), [1.0, 1.0, 1.0])
    assert share_between(tone, 20_000, 24_001) < 1e-3


def test_pulses_count_by_the_second_and_rest_by_groups() -> None:
    t = signals.time_axis(4.0)
    assert onsets(signals.pulses(t, 2.0, 0.5)) == 8
    assert onsets(signals.pulses(t, 2.0, 0.5, 3, 1)) == 6
    assert len(signals.pulses(t, 2.0, 0.5)) == len(t)


def test_a_smooth_curve_stays_in_range_and_moves_slowly(rng: np.random.Generator) -> None:
    curve = signals.smooth_curve(rng, 2 * SAMPLE_RATE, 3.0, 0.2, 0.9)
    assert curve.shape == (2 * SAMPLE_RATE,)
    assert curve.min() >= 0.2
    assert curve.max() <= 0.9
    assert np.ptp(curve) > 0.1
    assert np.abs(np.diff(curve)).max() < 10 / SAMPLE_RATE


def test_band_noise_lies_in_its_band(rng: np.random.Generator) -> None:
    noise = signals.band_noise(rng, SAMPLE_RATE, 800, 1600)
    assert np.sqrt(np.mean(np.square(noise))) == pytest.approx(1.0)
    assert share_between(noise, 600, 2200) > 0.9


def test_a_strike_sounds_at_its_partials_and_decays_to_one_eth(rng: np.random.Generator) -> None:
    struck = signals.strike(rng, np.array([700.0, 30_000.0]), np.array([0.2]), np.array([1.0]), 1.0)
    assert peak_hz(struck) == pytest.approx(700, abs=2)
    level = envelope(struck)
    assert level[30] / level[10] == pytest.approx(np.exp(-1), rel=0.03)


def test_a_body_never_sounds_twice_the_same(rng: np.random.Generator) -> None:
    body = signals.drawn_body(rng, 6, (300, 900), (0.02, 0.05))
    first, second = body.hit(rng), body.hit(rng)
    assert not np.array_equal(first, second)
    assert 100 < middle_hz(first) < 8000


def test_place_cuts_off_at_the_end() -> None:
    out = np.zeros(100)
    signals.place(out, np.ones(4800), 50 / SAMPLE_RATE, 2.0)
    signals.place(out, np.ones(10), 1.0)
    np.testing.assert_array_equal(out, np.repeat([0.0, 2.0], 50))


def test_a_room_adds_a_tail_that_dies_and_keeps_the_length(rng: np.random.Generator) -> None:
    click = np.zeros(SAMPLE_RATE)
    click[0] = 1.0
    heard = signals.room(rng, click, wet=0.5, decay_s=0.1)
    level = envelope(heard, 0.05)
    assert len(heard) == len(click)
    assert level[1] > 3 * level[5] > 0


def test_falling_noise_loses_its_highs_first(rng: np.random.Generator) -> None:
    noise = signals.falling_noise(rng, 1.0, [(50, 300, 0.3, 1.0), (3000, 9000, 0.03, 1.0)])
    assert middle_hz(noise[:2400]) > middle_hz(noise[12_000:])
