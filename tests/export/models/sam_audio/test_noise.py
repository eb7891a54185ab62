from __future__ import annotations

import pytest
import torch

from export.models.sam_audio.noise import frame_noise


def test_a_frame_has_the_same_noise_in_every_window() -> None:
    assert torch.equal(frame_noise(7, 100, 50, 12)[20:], frame_noise(7, 120, 30, 12))


def test_seeds_and_frames_differ() -> None:
    one, other = frame_noise(1, 0, 40, 256), frame_noise(2, 0, 40, 256)
    assert abs(float((one * other).mean())) < 0.05
    assert abs(float((one[1:] * one[:-1]).mean())) < 0.05


def test_it_is_standard_normal() -> None:
    noise = frame_noise(3, 10**9, 200, 256)
    assert noise.dtype == torch.float32
    assert float(noise.mean()) == pytest.approx(0, abs=0.02)
    assert float(noise.std()) == pytest.approx(1, abs=0.02)
