"""`engine.overlap_add`: frames become the sum of frames, however many come at once."""

from __future__ import annotations

import numpy as np
import pytest

from engine.overlap_add import OverlapAdd, linear_fades, root_hann


def plain_sum(frames: np.ndarray, hop: int) -> np.ndarray:
    rows, count, width = frames.shape
    line = np.zeros((rows, (count - 1) * hop + width), np.float64)
    for index in range(count):
        line[:, index * hop : index * hop + width] += frames[:, index]
    return line[:, : count * hop]


@pytest.mark.parametrize(("hop", "crossfade"), [(480, 480), (480, 120), (100, 0), (64, 192)])
@pytest.mark.parametrize("at_once", [1, 3, 20])
def test_equals_the_plain_sum(hop: int, crossfade: int, at_once: int) -> None:
    frames = np.random.default_rng(0).standard_normal((3, 20, hop + crossfade)).astype(np.float32)
    stitcher = OverlapAdd(8, hop, crossfade)
    rows = np.array([5, 0, 2])
    parts = [stitcher.add(rows, frames[:, start : start + at_once]) for start in range(0, 20, at_once)]
    np.testing.assert_allclose(np.concatenate(parts, axis=1), plain_sum(frames, hop), atol=1e-5)


def test_rows_do_not_touch_each_other() -> None:
    frames = np.ones((1, 1, 20), np.float32)
    stitcher = OverlapAdd(2, 10, 10)
    stitcher.add(np.array([0]), frames)
    np.testing.assert_array_equal(stitcher.add(np.array([1]), frames), np.ones((1, 10)))
    stitcher.reset([0])
    np.testing.assert_array_equal(stitcher.add(np.array([0]), frames), np.ones((1, 10)))


def test_windows_sum_to_one() -> None:
    taper = root_hann(960).astype(np.float64) ** 2
    np.testing.assert_allclose(taper[:480] + taper[480:], 1.0, atol=1e-6)
    fades = linear_fades(480, 100)
    np.testing.assert_allclose(fades[:100] + fades[480:], 1.0, atol=1e-6)
    with pytest.raises(ValueError, match="longer than hop"):
        linear_fades(10, 11)
