from __future__ import annotations

import numpy as np
import pytest

from export.train.procedural import blown
from tests.export.train.procedural.listening import (
    called,
    peak_hz,
    share_between,
    takes,
)


@pytest.mark.parametrize("name", ["two reeds", "single"])
def test_horns_are_combs_over_three_hundred_hertz(name: str) -> None:
    for clip in takes(called(blown.KINDS, "car horn", name)):
        assert share_between(clip, 20, 250) < 0.05
        assert share_between(clip, 1000, 8000) > 0.1


def test_a_referees_whistle_trills_about_three_kilohertz() -> None:
    for clip in takes(called(blown.KINDS, "whistle", "pea")):
        assert share_between(clip, 2000, 5600) > 0.7


def test_lips_whistle_a_near_sine_that_changes_pitch() -> None:
    for clip in takes(called(blown.KINDS, "whistle", "lips")):
        assert share_between(clip, 450, 3200) > 0.8
        pitches = [peak_hz(part) for part in np.array_split(clip, 20)]
        assert max(pitches) > 1.1 * min(pitches)


def test_an_air_horn_is_lower_than_a_reed() -> None:
    air = [share_between(clip, 80, 450) for clip in takes(called(blown.KINDS, "car horn", "air"), 6)]
    reed = [share_between(clip, 80, 450) for clip in takes(called(blown.KINDS, "car horn", "single"), 6)]
    assert np.mean(air) > np.mean(reed)
