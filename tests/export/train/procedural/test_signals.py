from __future__ import annotations

import numpy as np
import pytest

from export.train.corpus import SAMPLE_RATE
from export.train.procedural import signals
from tests.export.train.procedural.listening import envelope, onsets, power_between


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def test_pulses_count_by_the_second_and_rest_by_groups() -> None:
    t = signals.time_axis(4.0)
    assert onsets(signals.pulse_gate(t, 2.0, 0.5)) == 8
    assert onsets(signals.pulse_gate(t, 2.0, 0.5, 3, 1)) == 6
    assert len(signals.pulse_gate(t, 2.0, 0.5)) == len(t)


def test_a_smooth_curve_stays_in_range_and_moves_slowly(rng: np.random.Generator) -> None:
    curve = signals.smooth_curve(rng, 2 * SAMPLE_RATE, 3.0, 0.2, 0.9)
    assert curve.shape == (2 * SAMPLE_RATE,)
    assert curve.min() >= 0.2
    assert curve.max() <= 0.9
    assert np.ptp(curve) > 0.1
    assert np.abs(np.diff(curve)).max() < 10 / SAMPLE_RATE


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


def test_a_reverb_dies_away_by_sixty_decibels(rng: np.random.Generator) -> None:
    click = np.zeros(SAMPLE_RATE)
    click[0] = 1.0
    level = envelope(signals.reverb(rng, click, 0.4, 1.0), 0.05)
    assert 20 * np.log10(level[5] / level[1]) == pytest.approx(-30, abs=3)
    assert level[-1] < 1e-6


def test_a_peak_filter_leaves_its_frequency_as_it_was() -> None:
    tones = np.sin(2 * np.pi * np.array([[500.0], [2000.0]]) * signals.time_axis(1.0))
    kept, lost = (np.std(signals.peak_filter(tone, 500.0, 10.0)[24_000:]) for tone in tones)
    assert kept == pytest.approx(np.sqrt(0.5), rel=0.01)
    assert lost < 0.05


def test_a_zigzag_stays_in_range_and_fades_begin_and_end_with_silence(rng: np.random.Generator) -> None:
    line = signals.zigzag(rng, SAMPLE_RATE, 5.0, -2.0, 3.0)
    assert -2 <= line.min() < line.max() <= 3
    gain = signals.fades(SAMPLE_RATE, 0.1, 0.2)
    assert gain[0] == 0
    assert gain[-1] < 1e-3
    np.testing.assert_allclose(gain[4800:38_000], 1, atol=1e-12)


def test_a_resonance_rings_after_the_stroke_and_not_before() -> None:
    x = np.zeros(SAMPLE_RATE)
    x[24_000] = 1
    y = signals.resonances(x, [500.0], [40.0], [1.0])
    assert np.sum(y[24_000:34_000] ** 2) > 1000 * np.sum(y[14_000:23_990] ** 2)
    assert power_between(y, 400, 600) > 5 * power_between(y, 600, 24_000)


@pytest.mark.parametrize("n", [480, 4800, 47_997])
def test_sculpting_with_a_gain_of_one_changes_nothing(n: int) -> None:
    x = np.random.default_rng(0).standard_normal(n)
    gain = np.ones((signals.frames_of(n), len(signals.BINS_HZ)))
    np.testing.assert_allclose(signals.sculpt(x, gain), x, atol=1e-9)
    assert len(signals.frame_middles(n)) == signals.frames_of(n)


def test_regular_moments_come_at_their_rate() -> None:
    at = signals.regular_moments(np.full(SAMPLE_RATE * 4, 25.0), np.random.default_rng(0))
    assert len(at) == pytest.approx(100, abs=1)
    np.testing.assert_allclose(np.diff(at), SAMPLE_RATE / 25, atol=2)
