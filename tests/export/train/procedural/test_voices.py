from __future__ import annotations

import numpy as np
import pytest

from export.train.procedural import voices
from tests.export.train.procedural.listening import beat_hz, share_between


def test_these_classes_are_made() -> None:
    assert {kind.label for kind in voices.KINDS} == {"laughter", "scream", "crowd", "baby cry"}


@pytest.mark.parametrize("seed", range(6))
def test_laughter_comes_in_bursts_of_three_and_a_half_to_six_a_second(seed: int) -> None:
    starts = voices.ha_starts(np.random.default_rng(seed), rate=5.0)
    assert np.median(np.diff(starts)) == pytest.approx(0.2, rel=0.3)
    x = voices.laugh(np.random.default_rng(seed), 150, 300, 1.0)
    assert 2.5 <= beat_hz(x, 2.5, 20) <= 7


@pytest.mark.parametrize("seed", range(4))
def test_screams_and_crowds_lie_where_recorded_ones_lie(seed: int) -> None:
    assert share_between(voices.scream(np.random.default_rng(seed)), 400, 4500) > 0.8
    assert share_between(voices.babble(np.random.default_rng(seed), 20, 30), 300, 3000) > 0.7
