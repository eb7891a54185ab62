"""`engine.programs.flow_noise`: noise that belongs to a frame, the exporter's number for number."""

from __future__ import annotations

import numpy as np
import pytest

from engine.programs.flow_noise import frame_noise


def test_a_frame_has_the_same_noise_in_every_window() -> None:
    whole = frame_noise(3, 0, 200, 8)
    for first, frames in ((0, 1), (31, 2), (32, 32), (60, 140)):
        np.testing.assert_array_equal(frame_noise(3, first, frames, 8), whole[first : first + frames])


def test_seeds_and_frames_are_independent_and_normal() -> None:
    one, other = frame_noise(0, 0, 1000, 12), frame_noise(1, 0, 1000, 12)
    assert abs(float(np.mean(one * other))) < 0.03
    assert abs(float(np.mean(one[:-1] * one[1:]))) < 0.03
    assert abs(float(one.mean())) < 0.03
    assert float(one.std()) == pytest.approx(1.0, abs=0.02)
    assert np.isfinite(frame_noise(2**64 - 1, 10**9, 2, 4)).all()


def test_it_is_the_exporters() -> None:
    pytest.importorskip("torch", reason="the exporter's noise is torch's tensors")
    from export.models.sam_audio.noise import frame_noise as exported

    np.testing.assert_array_equal(frame_noise(7, 100, 50, 12), exported(7, 100, 50, 12).numpy())
