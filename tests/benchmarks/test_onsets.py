"""How a cut onset is measured."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.onsets import BEGIN, cut_s, masked_target, row_of
from benchmarks.quality import isolated
from engine.bundle import load_bundle
from engine.frames import Samples, Vector
from export.train.corpus import SAMPLE_RATE


def noise(seconds: float, level: float, seed: int) -> Vector:
    return (level * np.random.default_rng(seed).standard_normal(int(seconds * SAMPLE_RATE))).astype(np.float32)


def beginning_at_one_second() -> tuple[Vector, Vector]:
    target, rest = noise(3.0, 0.1, 1), noise(3.0, 0.05, 2)
    target[:BEGIN] = 0
    return target, rest


@pytest.mark.parametrize("gone_ms", [0, 20, 50, 200])
def test_a_beginning_that_is_cut_off_is_measured(gone_ms: int) -> None:
    target, rest = beginning_at_one_second()
    kept = target.copy()
    kept[: BEGIN + gone_ms * SAMPLE_RATE // 1000] = 0
    found = cut_s(kept, target, rest, -6.0)
    assert found == pytest.approx(gone_ms / 1000, abs=0.0051)


def test_turned_down_is_cut_only_below_the_threshold() -> None:
    target, rest = beginning_at_one_second()
    assert cut_s(0.2 * target, target, rest, -10.0) == 1.0
    assert cut_s(0.2 * target, target, rest, -20.0) == 0.0


def test_what_is_not_heard_in_the_mixture_has_no_onset() -> None:
    target, rest = beginning_at_one_second()
    assert cut_s(target, target, 100 * rest, -10.0) is None


def test_a_mask_of_ones_leaves_the_whole_target() -> None:
    target, rest = (part[None] for part in beginning_at_one_second())
    mixed: Samples = target + rest
    kept = masked_target(load_bundle("identity"), mixed, target, "speech")
    assert kept.shape == target.shape
    assert np.abs(kept - target).max() < 1e-5


def test_the_mask_is_the_mixtures_own_so_its_parts_add_up_to_what_a_mono_session_gives() -> None:
    target, rest = (part[None] for part in beginning_at_one_second())
    bundle, mixed = load_bundle("default"), target + rest
    parts = [masked_target(bundle, mixed, part, "rain") for part in (target, rest)]
    whole = isolated(bundle, mixed, "rain")
    assert np.abs(whole).max() > 0.01
    assert np.abs(parts[0] + parts[1] - whole).max() < 1e-4


def test_rows_say_how_many_are_too_long() -> None:
    row = row_of([0.0, 0.02, 0.03, 1.0])
    assert (row["onsets"], row["over_20_ms"], row["denied"]) == (4, 0.5, 0.25)
    assert row["cut_ms"]["max"] == 1000
    with pytest.raises(SystemExit, match="no onset"):
        row_of([])
