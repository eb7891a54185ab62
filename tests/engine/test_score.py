from __future__ import annotations

import numpy as np
import pytest

from engine.frames import Samples
from engine.score import f1_score, level_change_db, matched_spans, si_sdr_db, si_sdr_improvement_db


def orthogonal_pair(channels: int = 1) -> tuple[Samples, Samples]:
    """Two signals of equal energy without a common part."""
    phase = 2 * np.pi * np.arange(4800) / 48
    return (
        np.tile(np.sin(phase), (channels, 1)).astype(np.float32),
        np.tile(np.cos(phase), (channels, 1)).astype(np.float32),
    )


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("ratio_db", [-10.0, 0.0, 20.0])
def test_si_sdr_is_the_ratio_that_was_mixed(channels: int, ratio_db: float) -> None:
    target, noise = orthogonal_pair(channels)
    mixed = target + noise * np.float32(10 ** (-ratio_db / 20))
    assert si_sdr_db(mixed, target) == pytest.approx(ratio_db, abs=1e-3)


def test_si_sdr_does_not_depend_on_the_scale() -> None:
    target, noise = orthogonal_pair()
    assert si_sdr_db(0.01 * (target + noise), target) == pytest.approx(si_sdr_db(target + noise, target), abs=1e-3)


def test_improvement_is_the_difference_of_both() -> None:
    target, noise = orthogonal_pair()
    estimate = target + noise * np.float32(0.1)
    assert si_sdr_improvement_db(estimate, target + noise, target) == pytest.approx(20.0, abs=1e-3)


def test_silence_has_a_finite_score() -> None:
    target, _ = orthogonal_pair()
    assert np.isfinite(si_sdr_db(np.zeros_like(target), target))
    assert si_sdr_db(target, target) > 100.0


def test_level_change_counts_energy() -> None:
    target, _ = orthogonal_pair()
    assert level_change_db(target * np.float32(0.1), target) == pytest.approx(-20.0, abs=1e-3)
    assert level_change_db(np.zeros_like(target), target) < -60.0


def test_shapes_that_differ_are_refused() -> None:
    target, _ = orthogonal_pair()
    with pytest.raises(ValueError, match="one shape"):
        si_sdr_db(target[:, 1:], target)
    with pytest.raises(ValueError, match="one shape"):
        level_change_db(target[:, 1:], target)


def test_spans_match_where_both_ends_are_near() -> None:
    true = [(1.0, 2.0), (3.0, 4.0)]
    assert matched_spans([(1.05, 1.95), (3.0, 4.2)], true) == 1
    assert matched_spans([(1.0, 2.0), (1.0, 2.0)], true) == 1, "a true span is found once"
    assert matched_spans([], true) == matched_spans(true, []) == 0


def test_f1_of_spans() -> None:
    assert f1_score(2, 2, 2) == 1.0
    assert f1_score(1, 2, 1) == pytest.approx(2 / 3)
    assert f1_score(0, 3, 0) == 0.0
    assert f1_score(0, 0, 0) == 1.0
