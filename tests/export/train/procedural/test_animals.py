from __future__ import annotations

import re

import numpy as np
import pytest

from export.train.corpus import SAMPLE_RATE
from export.train.procedural import animals
from export.train.procedural.kind import Kind
from tests.export.train.procedural.checks import beat_hz, centroid_hz, hold, share

ALL = pytest.mark.parametrize("kind", animals.KINDS, ids=lambda kind: f"{kind.label}, {kind.name}")


@ALL
def test_every_kind_is_audible_and_the_same_for_a_seed(kind: Kind) -> None:
    hold(kind)


def test_names_are_words_and_one_of_a_kind() -> None:
    assert all(re.fullmatch("[a-z ]+", kind.name) for kind in animals.KINDS)
    assert len({(kind.label, kind.name) for kind in animals.KINDS}) == len(animals.KINDS)
    assert {kind.label for kind in animals.KINDS} == {"cow", "sheep", "cat", "pig", "frog", "horse", "birds", "insects"}


@pytest.mark.parametrize("seed", range(5))
def test_a_moo_is_long_and_low_and_a_bird_is_high(seed: int) -> None:
    moo = animals.moo(np.random.default_rng(seed))
    assert len(moo) >= SAMPLE_RATE
    assert centroid_hz(moo) < 900
    assert share(animals.chirps(np.random.default_rng(seed)), 1400, 9000) > 0.9


@pytest.mark.parametrize("seed", range(5))
def test_a_bleat_shakes_five_to_twelve_times_a_second(seed: int) -> None:
    assert 4 <= beat_hz(animals.bleat(np.random.default_rng(seed)), 4, 30) <= 14


@pytest.mark.parametrize("seed", range(5))
def test_crickets_sing_at_three_and_a_half_to_six_kilohertz(seed: int) -> None:
    assert share(animals.crickets(np.random.default_rng(seed)), 3400, 6300) > 0.7
