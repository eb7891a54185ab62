from __future__ import annotations

import numpy as np
import pytest

from export.train.corpus import SAMPLE_RATE
from export.train.procedural import weather
from tests.export.train.procedural.listening import envelope, middle_hz, share_between


def test_these_classes_are_made() -> None:
    assert {kind.label for kind in weather.KINDS} == {"wind", "water", "sea waves", "rain", "thunder", "fire crackling"}


@pytest.mark.parametrize("hz", [300.0, 1000.0, 3000.0])
def test_a_bubble_rises_in_pitch_and_dies_away(hz: float) -> None:
    x = weather.bubble(np.random.default_rng(0), hz, rise=0.3)
    crossings = np.flatnonzero(np.diff(np.sign(x)) != 0)
    half = len(crossings) // 2
    assert np.diff(crossings[:half]).mean() > 1.02 * np.diff(crossings[half:]).mean()
    assert SAMPLE_RATE / 2 / np.diff(crossings[:3]).mean() == pytest.approx(hz, rel=0.2)
    loud = np.abs(x)
    assert loud[-len(x) // 4 :].max() < 0.1 * loud.max()


def test_larger_bubbles_ring_longer() -> None:
    rng = np.random.default_rng(0)
    assert len(weather.bubble(rng, 300, 0.1)) > 2 * len(weather.bubble(rng, 2000, 0.1))


@pytest.mark.parametrize("seed", range(4))
def test_thunder_is_low_and_rain_is_high(seed: int) -> None:
    assert share_between(weather.thunder(np.random.default_rng(seed), near=0.0), 0, 500) > 0.7
    assert middle_hz(weather.rain(np.random.default_rng(seed), 2500, 1200)) > 2500


@pytest.mark.parametrize("seed", range(4))
def test_wind_is_low_and_swells(seed: int) -> None:
    x = weather.breeze(np.random.default_rng(seed))
    loud = envelope(x, 0.1)
    assert share_between(x, 0, 1000) > 0.6
    assert np.percentile(loud, 95) > 1.5 * np.percentile(loud, 5)
