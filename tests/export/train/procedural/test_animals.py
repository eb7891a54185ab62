from __future__ import annotations

import numpy as np
import pytest

from export.train.corpus import SAMPLE_RATE
from export.train.procedural import animals
from tests.export.train.procedural.listening import beat_hz, middle_hz, share_between


def test_these_classes_are_made() -> None:
    assert {kind.label for kind in animals.KINDS} == {"cow", "sheep", "cat", "pig", "frog", "horse", "birds", "insects"}


@pytest.mark.parametrize("seed", range(5))
def test_a_moo_is_long_and_low_and_a_bird_is_high(seed: int) -> None:
    moo = animals.moo(np.random.default_rng(seed))
    assert len(moo) >= SAMPLE_RATE
    assert middle_hz(moo) < 600
    assert share_between(animals.chirps(np.random.default_rng(seed)), 1400, 9000) > 0.9


@pytest.mark.parametrize("seed", range(5))
def test_no_chirp_has_harmonics_above_hearing(seed: int) -> None:
    assert share_between(animals.chirps(np.random.default_rng(seed)), 20_500, 24_001) < 1e-5


@pytest.mark.parametrize("seed", range(5))
def test_a_bleat_shakes_five_to_twelve_times_a_second(seed: int) -> None:
    assert 4 <= beat_hz(animals.bleat(np.random.default_rng(seed)), 4, 30) <= 14


@pytest.mark.parametrize("seed", range(5))
def test_crickets_sing_at_three_and_a_half_to_six_kilohertz(seed: int) -> None:
    assert share_between(animals.crickets(np.random.default_rng(seed)), 3400, 6300) > 0.7
