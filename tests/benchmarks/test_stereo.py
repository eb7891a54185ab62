"""How mixtures are placed in stereo, and how two ways of masking are compared."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.quality import inner, isolated
from benchmarks.stereo import WIDEST_S, both_ways, compared, placed
from engine.bundle import load_bundle
from engine.score import si_sdr_db
from export.train.corpus import SAMPLE_RATE
from export.train.mixtures import Mixture


def noise(seed: int) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(SAMPLE_RATE)).astype(np.float32)


def test_panning_keeps_the_power() -> None:
    samples = noise(1)
    sides = placed(samples, np.random.default_rng(2), spaced=False)
    assert sides.shape == (2, len(samples))
    assert np.sum(np.square(sides)) == pytest.approx(np.sum(np.square(samples)), rel=1e-5)


def test_the_farther_side_is_later_and_quieter() -> None:
    samples = noise(1)
    for seed in range(8):
        left, right = placed(samples, np.random.default_rng(seed), spaced=True)
        near, far = (left, right) if np.sum(left**2) > np.sum(right**2) else (right, left)
        most = int(WIDEST_S * SAMPLE_RATE) + 1
        across = [np.dot(near[: -most - 1], far[k : len(far) - most - 1 + k]) for k in range(most + 1)]
        lag = int(np.argmax(across))
        assert np.allclose(far[lag:], near[: len(near) - lag] * (np.std(far) / np.std(near)), atol=2e-3)


def test_the_identity_improves_nothing_either_way() -> None:
    target, rest = noise(3), noise(4)
    mixture = Mixture(target + rest, target, rest, "speech", "rain", ("rain",), 0.0)
    ways = both_ways(load_bundle("identity"), mixture, np.random.default_rng(5), spaced=True)
    assert ways == pytest.approx((0.0, 0.0), abs=1e-3)


def test_per_channel_is_what_a_stereo_session_does_and_mid_is_not() -> None:
    bundle, heard, rest = load_bundle("default"), noise(4), noise(3)
    mixture = Mixture(heard + rest, heard, rest, "rain", "speech", ("speech",), 0.0)
    mid_db, apart_db = both_ways(bundle, mixture, np.random.default_rng(5), spaced=True)
    rng = np.random.default_rng(5)
    target, other = (placed(part, rng, spaced=True) for part in (heard, rest))
    found = isolated(bundle, target + other, "rain")
    floor_db = si_sdr_db(inner(target + other), inner(target))
    assert apart_db == pytest.approx(si_sdr_db(inner(found), inner(target)) - floor_db)
    assert abs(mid_db - apart_db) > 1e-3


def test_compared_mixture_by_mixture() -> None:
    found = compared([(3.0, 2.0), (6.0, 5.0), (1.0, 2.0), (2.0, 1.0)])
    assert found["mid_ahead_db"] == 0.5
    assert found["standard_error_db"] == 0.5
    assert found["mid_better_share"] == 0.75
    with pytest.raises(ValueError, match="at least two"):
        compared([(1.0, 2.0)])
