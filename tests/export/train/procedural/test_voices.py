from __future__ import annotations

import re

import numpy as np
import pytest

from export.train.procedural import voices
from export.train.procedural.kind import Kind
from tests.export.train.procedural.checks import beat_hz, hold, share

ALL = pytest.mark.parametrize("kind", voices.KINDS, ids=lambda kind: f"{kind.label}, {kind.name}")


@ALL
def test_every_kind_is_audible_and_the_same_for_a_seed(kind: Kind) -> None:
    hold(kind)


def test_names_are_words_and_one_of_a_kind() -> None:
    assert all(re.fullmatch("[a-z ]+", kind.name) for kind in voices.KINDS)
    assert len({(kind.label, kind.name) for kind in voices.KINDS}) == len(voices.KINDS)
    assert {kind.label for kind in voices.KINDS} == {"laughter", "scream", "crowd", "baby cry"}


@pytest.mark.parametrize("seed", range(6))
def test_laughter_comes_in_bursts_of_three_and_a_half_to_six_a_second(seed: int) -> None:
    starts = voices.ha_starts(np.random.default_rng(seed), rate=5.0)
    assert np.median(np.diff(starts)) == pytest.approx(0.2, rel=0.3)
    x = voices.laugh(np.random.default_rng(seed), 150, 300, 1.0)
    assert 2.5 <= beat_hz(x, 2.5, 20) <= 7


@pytest.mark.parametrize("seed", range(4))
def test_screams_and_crowds_lie_where_recorded_ones_lie(seed: int) -> None:
    assert share(voices.scream(np.random.default_rng(seed)), 400, 4500) > 0.8
    assert share(voices.babble(np.random.default_rng(seed), 20, 30), 300, 3000) > 0.7
