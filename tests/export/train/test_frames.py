from __future__ import annotations

import numpy as np

from export.train.frames import HOP, analyse, synthesise


def test_analysis_and_synthesis_are_inverse_but_for_nyquist() -> None:
    rng = np.random.default_rng(0)
    samples = rng.standard_normal(HOP * 20).astype(np.float32)
    # a signal without the Nyquist component: what the graph cannot see, it cannot give back
    smooth = np.convolve(samples, [0.25, 0.5, 0.25], "same").astype(np.float32)
    back = synthesise(analyse(smooth))
    np.testing.assert_allclose(back[HOP:-HOP], smooth[HOP:-HOP], atol=2e-2)
    low = np.sin(np.arange(HOP * 20) * 0.1).astype(np.float32)
    np.testing.assert_allclose(synthesise(analyse(low))[HOP:-HOP], low[HOP:-HOP], atol=1e-4)


def test_analysis_keeps_leading_axes() -> None:
    assert analyse(np.zeros((3, HOP * 5), np.float32)).shape == (3, 4, 480)


def test_a_full_scale_sine_stands_in_its_bin() -> None:
    tone = np.sin(2 * np.pi * 1000 * np.arange(HOP * 6) / 48_000).astype(np.float32)
    assert (np.abs(analyse(tone)).argmax(-1) == 20).all()
