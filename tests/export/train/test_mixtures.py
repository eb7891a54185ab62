from __future__ import annotations

import numpy as np
import pytest

from engine.score import si_sdr_db
from export.train.cache import SampleStore
from export.train.corpus import MAN, SPEECH, WOMAN, Recording
from export.train.mixtures import cut, held_out_mixtures, low_pass, mix_pair


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 3.3, 10.0])
def test_the_ratio_is_exact_and_the_level_too(snr_db: float) -> None:
    target, rest = (rng(k).standard_normal(4800).astype(np.float32) * (k + 1) for k in (1, 2))
    wanted, other = mix_pair(target, rest, snr_db)
    assert 10 * np.log10(np.sum(wanted**2) / np.sum(other**2)) == pytest.approx(snr_db, abs=1e-3)
    assert 20 * np.log10(np.sqrt(np.mean((wanted + other) ** 2))) == pytest.approx(-23, abs=1e-3)


def test_silence_has_no_ratio() -> None:
    with pytest.raises(ValueError, match="silent"):
        mix_pair(np.zeros(100, np.float32), np.ones(100, np.float32), 0.0)


def test_si_sdr_does_not_see_gain_and_measures_noise() -> None:
    target = rng(1).standard_normal(48_000).astype(np.float32)
    noise = rng(2).standard_normal(48_000).astype(np.float32)
    assert si_sdr_db((0.3 * (target + 0.1 * noise)).astype(np.float32), target) == pytest.approx(20, abs=0.3)


def test_a_short_recording_is_laid_into_silence_and_a_long_one_cut() -> None:
    short, long = np.full(1000, 500, np.int16), np.arange(9000, dtype=np.int16)
    laid = cut(short, 4000, rng(3))
    assert laid.shape == (4000,)
    assert np.count_nonzero(laid) % 1000 == 0
    piece = cut(long, 4000, rng(3)) * 32768
    np.testing.assert_allclose(np.diff(piece), 1, atol=1e-2)


def test_low_pass_removes_what_lies_above() -> None:
    t = np.arange(4800) / 48_000
    both = (np.sin(2 * np.pi * 1000 * t) + np.sin(2 * np.pi * 12_000 * t)).astype(np.float32)
    np.testing.assert_allclose(low_pass(both, 8000), np.sin(2 * np.pi * 1000 * t), atol=1e-3)


def test_mixtures_are_fixed_and_add_up(recordings: list[Recording], store: SampleStore) -> None:
    first, again = (list(held_out_mixtures(recordings, store, per_concept=3, seconds=0.5)) for _ in range(2))
    assert {m.concept for m in first} == {SPEECH, MAN, WOMAN, "rain", "whistle"}
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.samples, other.samples)
        np.testing.assert_allclose(one.target + one.rest, one.samples, atol=1e-6)
        assert one.concept not in one.other_concepts
        assert -5 <= one.snr_db <= 5


def test_asking_for_fewer_concepts_moves_no_mixture(recordings: list[Recording], store: SampleStore) -> None:
    every = [m for m in held_out_mixtures(recordings, store, per_concept=2, seconds=0.3) if m.concept == "rain"]
    only = list(held_out_mixtures(recordings, store, concepts=["rain"], per_concept=2, seconds=0.3))
    np.testing.assert_array_equal(every[1].samples, only[1].samples)


def test_both_sources_have_the_narrower_band(recordings: list[Recording], store: SampleStore) -> None:
    mixture = next(held_out_mixtures(recordings, store, concepts=[SPEECH], others=["rain"], seconds=0.5))
    spectrum = np.abs(np.fft.rfft(mixture.rest))
    assert spectrum[4100:].max() < 1e-3 * spectrum.max()  # bins of 2 Hz


def test_a_man_is_heard_against_women_half_of_the_time(recordings: list[Recording], store: SampleStore) -> None:
    mixtures = list(held_out_mixtures(recordings, store, concepts=[MAN], per_concept=30, seconds=0.2))
    against = sum(WOMAN in m.other_concepts for m in mixtures)
    assert 8 <= against <= 22
    assert not [m for m in mixtures if MAN in m.other_concepts]
