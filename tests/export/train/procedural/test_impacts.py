from __future__ import annotations

import numpy as np
import pytest

from export.train.procedural import impacts
from export.train.procedural.kind import Kind
from tests.export.train.procedural.listening import (
    burstiness,
    called,
    each,
    middle_hz,
    onsets,
    takes,
)


@pytest.mark.parametrize(
    "kind", each(tuple(kind for kind in impacts.KINDS if kind.name not in ("applause", "creak", "quick")))
)
def test_impacts_stand_out_of_quiet(kind: Kind) -> None:
    for clip in takes(kind):
        assert burstiness(clip) > 14


def test_a_slam_is_low_and_a_snap_is_high() -> None:
    slams = [middle_hz(clip) for clip in takes(called(impacts.KINDS, "door", "slam"))]
    snaps = [middle_hz(clip) for clip in takes(called(impacts.KINDS, "finger snap", "snap"))]
    assert max(slams) < 900
    assert min(snaps) > 1200


def test_quartz_ticks_once_a_second() -> None:
    for clip in takes(called(impacts.KINDS, "clock tick", "quartz")):
        assert 4 <= onsets(clip, 0.15) <= 6


def test_steps_fall_at_a_walkers_pace() -> None:
    for clip in takes(called(impacts.KINDS, "footsteps", "soft")):
        assert 4 <= onsets(clip, 0.05, 0.2) <= 24


def test_applause_is_denser_than_one_pair_of_hands() -> None:
    many = [burstiness(clip) for clip in takes(called(impacts.KINDS, "clapping", "applause"))]
    one = [burstiness(clip) for clip in takes(called(impacts.KINDS, "clapping", "alone"))]
    assert np.mean(many) < np.mean(one)


@pytest.mark.parametrize("gait", impacts.GAITS)
def test_hoofs_fall_in_order_within_a_stride(gait: str) -> None:
    falls, slowest, fastest = impacts.GAITS[gait]
    assert len(falls) == 4
    assert list(falls) == sorted(falls)
    assert falls[-1] < 1
    assert 0 < slowest < fastest
