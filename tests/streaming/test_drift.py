"""Drift is found under jitter and corrected without a click; routes and stalls are no drift."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from streaming.drift import SHORTEST_BLOCK, DriftCorrector, DriftEstimator, shortened

RATE = 48_000
FRAME = 960


def run(ppm: float, seconds: int, jitter_s: float, seed: int = 0, step_s: float = 0.0) -> tuple[DriftEstimator, float]:
    """A sender whose clock is quicker by `ppm`; half-way the route becomes slower by `step_s`. Returns the end too."""
    rng = np.random.default_rng(seed)
    estimator = DriftEstimator(RATE)
    now_s = 0.0
    for index in range(seconds * 50):
        sent_s = index * 0.02 / (1 + ppm * 1e-6)
        now_s = sent_s + 0.01 + rng.random() * jitter_s + (step_s if index > seconds * 25 else 0.0)
        estimator.observe(now_s - index * 0.02, now_s)
    return estimator, now_s


@pytest.mark.parametrize("ppm", [-200.0, -30.0, 0.0, 30.0, 200.0])
@pytest.mark.parametrize("jitter_s", [0.0005, 0.03])
def test_drift_is_told_from_jitter(ppm: float, jitter_s: float) -> None:
    estimator, now_s = run(ppm, 80, jitter_s, seed=4)
    assert estimator.ppm == pytest.approx(ppm, abs=2.0 if jitter_s < 0.001 else 20.0)
    assert estimator.due(now_s) == pytest.approx(ppm * 1e-6 * now_s * RATE, abs=10 if jitter_s < 0.001 else 80)


@pytest.mark.parametrize("seed", range(5))
def test_another_route_is_no_drift(seed: int) -> None:
    estimator, now_s = run(50.0, 120, 0.002, seed=seed, step_s=0.04)
    assert estimator.ppm == pytest.approx(50.0, abs=10.0)
    # 40 ms would be 1920 samples.
    assert estimator.due(now_s) == pytest.approx(50e-6 * now_s * RATE, abs=60)


def test_nothing_is_said_before_it_is_known() -> None:
    assert run(100.0, 5, 0.0)[0].ppm == 0.0
    assert DriftEstimator().due(3.0) == 0.0


def test_a_sender_at_another_speed_is_no_drift() -> None:
    estimator, now_s = run(50_000.0, 60, 0.0)
    assert (estimator.ppm, estimator.due(now_s)) == (0.0, 0.0)


def test_after_a_restart_what_was_due_stays_due() -> None:
    estimator, now_s = run(100.0, 60, 0.0)
    due = estimator.due(now_s)
    estimator.restart(now_s)
    assert estimator.due(now_s + 100) == due
    assert estimator.ppm == 0.0


@pytest.mark.parametrize("step", [1, -1])
@pytest.mark.parametrize("count", [SHORTEST_BLOCK, 480, 960])
def test_a_block_loses_or_gains_a_sample_and_keeps_its_ends(step: int, count: int) -> None:
    time_s = np.arange(count) / RATE
    block = np.stack([np.sin(2 * np.pi * 1000 * time_s), np.cos(2 * np.pi * 5000 * time_s)]).astype(np.float32)
    changed = shortened(block, step)
    assert changed.shape == (2, count - step)
    assert changed.dtype == np.float32
    assert np.array_equal(changed[:, :16], block[:, :16])
    assert np.array_equal(changed[:, -16:], block[:, -16:])


@pytest.mark.parametrize("frequency", [100.0, 1000.0, 8000.0, 16_000.0])
@pytest.mark.parametrize("step", [1, -1])
def test_there_is_no_click(frequency: float, step: int) -> None:
    """The slid sine is the same sine read along the same curve; nothing else is in it."""
    block = np.sin(2 * np.pi * frequency * np.arange(FRAME) / RATE)[None].astype(np.float32)
    inner = FRAME - step - 32
    along = np.arange(inner) / (inner - 1)
    at = 16 + np.arange(inner) + step * 0.5 * (1.0 - np.cos(np.pi * along))
    expected = np.sin(2 * np.pi * frequency * at / RATE)
    error = shortened(block, step)[0, 16:-16] - expected
    assert 10 * np.log10(np.mean(error**2) / 0.5) < (-60.0 if frequency < 12_000 else -45.0)


def test_the_corrector_follows_what_is_due_and_rests_between() -> None:
    corrector = DriftCorrector()
    block = np.zeros((1, FRAME), np.float32)
    lengths = [corrector.correct(block, 0.1 * index).shape[1] for index in range(1000)]
    assert 100 - 5 <= corrector.removed <= 100
    assert sum(lengths) == 1000 * FRAME - corrector.removed
    assert all(not (a != FRAME and b != FRAME) for a, b in pairwise(lengths))


def test_what_passes_unchanged_is_the_very_same_array() -> None:
    block = np.ones((2, FRAME), np.float32)
    assert DriftCorrector().correct(block, 1.0) is block
    short = np.ones((2, SHORTEST_BLOCK - 1), np.float32)
    assert DriftCorrector().correct(short, 50.0) is short
