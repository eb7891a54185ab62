from __future__ import annotations

import numpy as np
import pytest
import torch

from export.models import phase
from export.train.frames import analyse


@pytest.mark.parametrize("distance", [-0.7, -0.25, 0.0, 0.4, 0.8])
def test_a_tone_tells_how_far_from_the_bin_it_lies(distance: float) -> None:
    """pi d, whatever the tone's phase and level and however many hops have gone by."""
    hertz, at = 50.0 * (7 + distance), np.arange(480 * 12) / 48_000
    spectrum = torch.from_numpy(analyse(np.asarray(0.01 * np.cos(2 * np.pi * hertz * at + 1.0), np.float32)))
    cosines, sines = phase.advance(spectrum[:, : phase.MOST]).chunk(2, -1)
    assert torch.atan2(sines, cosines)[:, 7].numpy() == pytest.approx(np.pi * distance, abs=0.03)


def test_silence_has_no_phase() -> None:
    assert not phase.advance(torch.zeros(3, 2, 5, dtype=torch.complex64)).any()


def test_each_is_one_long_and_of_its_own_bin() -> None:
    low = torch.randn(4, 3, 6, dtype=torch.complex64, generator=torch.Generator().manual_seed(1))
    found = phase.advance(low)
    assert found.shape == (3, 3, 12)
    cosines, sines = found.chunk(2, -1)
    torch.testing.assert_close(cosines.square() + sines.square(), torch.ones(3, 3, 6))
    louder = low.clone()
    louder[..., 2] *= 100
    torch.testing.assert_close(phase.advance(louder), found)
