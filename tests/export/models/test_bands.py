from __future__ import annotations

import numpy as np
import torch

from export.models.bands import BAND_OF_BIN, BANDS, band_power, to_bins


def test_the_bands_cover_every_bin_once_in_order() -> None:
    assert len(BAND_OF_BIN) == 480
    assert BAND_OF_BIN[0] == 0
    assert BAND_OF_BIN[-1] == BANDS - 1
    assert set(np.diff(BAND_OF_BIN)) == {0, 1}


def test_sums_are_those_of_the_members() -> None:
    power = np.random.default_rng(0).random((2, 3, 480)).astype(np.float32)
    wanted = np.stack([power[..., band == BAND_OF_BIN].sum(-1) for band in range(BANDS)], -1)
    np.testing.assert_allclose(band_power(torch.from_numpy(power)).numpy(), wanted, rtol=1e-5)


def test_each_bin_takes_its_bands_value() -> None:
    bins = to_bins(torch.arange(BANDS, dtype=torch.float32)[None])
    np.testing.assert_array_equal(bins[0].numpy(), BAND_OF_BIN)
