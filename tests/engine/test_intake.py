"""`engine.intake`: the shape that was agreed, and ordinary numbers only."""

from __future__ import annotations

import numpy as np
import pytest

from engine.errors import BadInput
from engine.intake import LOUDEST, checked, ordinary


def test_the_agreed_shape_and_type() -> None:
    good = np.zeros((2, 5), np.float32)
    assert checked(good, 2) is good
    for wrong in (np.zeros((1, 5), np.float32), np.zeros(5, np.float32), np.zeros((2, 5), np.float64)):
        with pytest.raises(BadInput, match=r"float32 of shape \(2, n\)"):
            checked(wrong, 2)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="numpy array"):
        checked(None, 2)  # type: ignore[arg-type]


def test_what_is_no_number_becomes_silence() -> None:
    samples = np.array([[0.5, np.nan, np.inf, -np.inf, 3e38, -1.0]], np.float32)
    found, count = ordinary(samples)
    np.testing.assert_array_equal(found, [[0.5, 0.0, 0.0, 0.0, 0.0, -1.0]])
    assert count == 4
    assert np.isnan(samples[0, 1]), "the caller's array is left alone"


def test_ordinary_samples_are_not_copied() -> None:
    loud = np.full((1, 4), LOUDEST * 0.99, np.float32)
    assert ordinary(loud)[0] is loud
    nothing = np.zeros((1, 0), np.float32)
    assert ordinary(nothing) == (nothing, 0)
