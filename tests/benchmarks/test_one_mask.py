"""One mask on both channels, through the real engine and the embedded model."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.one_mask import OneMaskRuntime, with_one_mask
from benchmarks.quality import isolated
from engine.bundle import Bundle, load_bundle
from engine.errors import EngineFault
from engine.frames import Samples
from engine.runtimes.identity import IdentityRuntime
from export.train.corpus import SAMPLE_RATE

PROMPT = "rain"


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load_bundle("default")


def stereo() -> Samples:
    return (0.1 * np.random.default_rng(7).standard_normal((2, SAMPLE_RATE // 2))).astype(np.float32)


def test_the_model_hears_the_mid_signal_and_its_mask_is_laid_on_both_channels(bundle: Bundle) -> None:
    both = stereo()
    masked = isolated(with_one_mask(bundle, (0.5, 0.5)), both, PROMPT)
    mid = isolated(bundle, np.asarray(both.mean(axis=0, keepdims=True), np.float32), PROMPT)
    assert np.abs(mid).max() > 0.01
    # Not to the last bit: the mid is rounded elsewhere, and a last bit may be a step of 1/127 in the 8-bit graph.
    error, level = (float(np.sqrt(np.mean(np.square(own)))) for own in (masked.mean(axis=0) - mid[0], mid[0]))
    assert error < 1e-2 * level
    assert np.abs(masked - isolated(bundle, both, PROMPT)).max() > 0.01


def test_one_channel_may_be_all_that_the_model_hears(bundle: Bundle) -> None:
    both = stereo()
    first = isolated(bundle, both[:1], PROMPT)[0]
    masked = isolated(with_one_mask(bundle, (1.0, 0.0)), np.stack([both[0], -0.5 * both[0]]), PROMPT)
    assert np.abs(masked[0] - first).max() < 1e-4
    assert np.abs(masked[1] + 0.5 * first).max() < 1e-4


def test_the_bundle_itself_is_as_before(bundle: Bundle) -> None:
    both = stereo()
    before = isolated(bundle, both, PROMPT)
    isolated(with_one_mask(bundle, (0.5, 0.5)), both, PROMPT)
    assert np.array_equal(isolated(bundle, both, PROMPT), before)


def test_mono_streams_and_wrong_weights_are_refused(bundle: Bundle) -> None:
    with pytest.raises(EngineFault, match="pairs of channels"):
        isolated(with_one_mask(bundle, (0.5, 0.5)), stereo()[:1], PROMPT)
    with pytest.raises(ValueError, match="weights"):
        OneMaskRuntime(IdentityRuntime(), (1.0,))
