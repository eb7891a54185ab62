from __future__ import annotations

import numpy as np
import pytest

from export.train.procedural import motors
from tests.export.train.procedural.listening import beat_hz, middle_hz, share_between


def test_these_classes_are_made() -> None:
    assert {kind.label for kind in motors.KINDS} == {
        "engine",
        "machine",
        "vacuum cleaner",
        "chainsaw",
        "helicopter",
        "airplane",
        "train",
        "traffic",
        "bicycle",
    }


@pytest.mark.parametrize("seed", range(6))
def test_a_helicopter_slaps_the_air_ten_to_twentyfive_times_a_second(seed: int) -> None:
    x = motors.helicopter(np.random.default_rng(seed))
    assert 9.5 <= beat_hz(x, 5, 60) <= 26
    assert share_between(x, 0, 1000) > 0.5


@pytest.mark.parametrize("seed", range(4))
def test_an_engine_at_idle_is_low_and_a_vacuum_cleaner_is_not(seed: int) -> None:
    assert share_between(motors.idle(np.random.default_rng(seed)), 0, 1000) > 0.6
    assert middle_hz(motors.vacuum(np.random.default_rng(seed), moved=False)) > 2000


def test_what_passes_falls_in_pitch_and_is_loudest_nearby() -> None:
    loud, doppler = motors.flyby(np.random.default_rng(0), 240_000)
    assert (np.diff(doppler) <= 0).all()
    assert doppler[int(loud.argmax())] == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("seed", range(4))
def test_steam_chuffs_at_the_speed_of_the_wheels(seed: int) -> None:
    assert 1.4 <= beat_hz(motors.steam(np.random.default_rng(seed)), 1, 16) <= 8.5
