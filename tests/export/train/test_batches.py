from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from export.models.bands import BANDS, band_sums
from export.train.batches import BatchMaker, Share, Twice, activity, choose_question, prefetch
from export.train.concepts import vocabulary
from export.train.corpus import MAN, SPEECH, WOMAN
from export.train.scenes import SceneMaker, Source
from tests.export.conftest import tiny_recordings

CONCEPTS = vocabulary(tiny_recordings())


def source(label: str, *concepts: str) -> Source:
    return Source(np.ones(10, np.float32), label, concepts or (label,), 24_000.0)


def questions(sources: list[Source], count: int = 400) -> list[set[str]]:
    return [choose_question(sources, CONCEPTS, np.random.default_rng(seed)) for seed in range(count)]


def test_about_a_tenth_of_the_questions_ask_for_what_is_absent() -> None:
    absent = [q for q in questions([source("rain"), source(SPEECH, SPEECH, MAN)]) if q == {"whistle"}]
    assert 20 <= len(absent) <= 65


def test_two_of_three_are_asked_for_at_times() -> None:
    asked = questions([source("rain"), source("whistle"), source(SPEECH, SPEECH, MAN)])
    assert 0.1 < sum(len(q) == 2 for q in asked) / len(asked) < 0.3


def test_a_voice_of_unknown_sex_is_never_denied() -> None:
    """A crowd's voice may be a man's: "man speaking" must not be taught as absent there."""
    for asked in questions([source(SPEECH, SPEECH), source("rain")]):
        assert not asked & {MAN, WOMAN}


def test_a_batch_depends_on_its_number_alone(maker: BatchMaker) -> None:
    first, other, again = maker.make(4), maker.make(5), maker.make(4)
    np.testing.assert_array_equal(first.own, again.own)
    assert not np.array_equal(first.own, other.own)


def test_shapes_and_finite_values(maker: BatchMaker) -> None:
    batch = maker.make(0)
    assert batch.own.shape == (3, 50, BANDS)
    assert batch.target.shape == batch.across.shape == (3, 2, 50, BANDS)
    assert batch.asked.shape == (3, 2, len(CONCEPTS))
    assert batch.hint.shape == (3, 2, 50, 2)
    assert batch.scored.shape == (3, 1, BANDS)
    for array in (batch.own, batch.target, batch.across, batch.hint, batch.active, batch.asked, batch.scored):
        assert array.dtype == np.float32
        assert np.isfinite(array).all()


def test_bands_are_sums_of_the_bins(scenes: SceneMaker) -> None:
    bins = BatchMaker(scenes, CONCEPTS, size=2, seed=5, banded=False).make(1)
    bands = BatchMaker(scenes, CONCEPTS, size=2, seed=5).make(1)
    assert bins.own.shape == (2, 50, 480)
    for one, other in ((bins.own, bands.own), (bins.across, bands.across), (bins.target, bands.target)):
        np.testing.assert_allclose(band_sums(one), other, rtol=1e-4, atol=1e-6 * np.abs(other).max())


def test_the_inner_product_is_bounded_by_the_powers(maker: BatchMaker) -> None:
    """Cauchy and Schwarz, band by band."""
    batch = maker.make(0)
    bound = np.sqrt(batch.own[:, None] * batch.target)
    assert (np.abs(batch.across) <= bound * 1.001 + 1e-9).all()


def test_two_questions_of_a_mixture_differ_as_a_rule(maker: BatchMaker) -> None:
    batches = [maker.make(number) for number in range(10)]
    same = [np.array_equal(*asked) for batch in batches for asked in batch.asked]
    assert sum(same) < len(same) / 4


def test_a_word_is_widened_to_an_umbrella_at_times() -> None:
    pets = frozenset({"rain", "whistle"})
    rngs = [np.random.default_rng(seed) for seed in range(300)]
    asked = [choose_question([source("rain"), source(SPEECH, SPEECH)], CONCEPTS, rng, [pets]) for rng in rngs]
    assert 5 < sum(question == pets for question in asked) < 60


def test_absent_targets_are_zero_and_inactive(maker: BatchMaker) -> None:
    seen = 0
    for number in range(20):
        batch = maker.make(number)
        for target, active in zip(batch.target.reshape(-1, 50, BANDS), batch.active.reshape(-1, 50), strict=True):
            if not np.any(target):
                seen += 1
                assert not active.any()
    assert seen > 3


def test_hints_never_lie(maker: BatchMaker) -> None:
    hinted = 0
    for number in range(10):
        batch = maker.make(number)
        assert not (batch.hint[..., 0] * (1 - batch.active)).any()
        assert not (batch.hint[..., 1] * batch.active).any()
        hinted += int(batch.hint.any(axis=(2, 3)).sum())
    assert 6 <= hinted <= 34


def test_levels_lie_between_minus_50_and_minus_10_dbfs(maker: BatchMaker) -> None:
    level_db = 10 * np.log10(np.mean(np.sum(maker.make(2).own, -1), -1) / 480**2)
    assert (level_db > -50.1).all()
    assert (level_db < -9.9).all()


def test_activity_is_relative_to_the_loudest_frame() -> None:
    target = np.zeros((1, 3, BANDS), np.float32)
    target[0, :, 10] = [1.0, 1e-3, 1e-4]
    np.testing.assert_array_equal(activity(target), [[1, 1, 0]])


def test_every_batch_comes_twice_whenever_one_begins(maker: BatchMaker) -> None:
    unbroken, resumed = Twice(maker), Twice(maker)
    lag = 2 * Twice.LAG
    first = unbroken.make(2)
    np.testing.assert_array_equal(first.own, maker.make(1).own)
    np.testing.assert_array_equal(unbroken.make(lag + 3).own, first.own)
    np.testing.assert_array_equal(resumed.make(lag + 3).own, first.own)


def test_workers_share_the_batches_of_one_run(maker: BatchMaker) -> None:
    for rank in range(2):
        np.testing.assert_array_equal(Share(maker, rank, 2).make(1).own, maker.make(2 + rank).own)


def test_prefetched_batches_come_in_order(maker: BatchMaker) -> None:
    batches = list(islice(prefetch(maker, 3), 2))
    np.testing.assert_array_equal(batches[1].own, maker.make(4).own)


def test_a_fault_in_the_mixing_thread_reaches_the_loop(maker: BatchMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(number: int) -> None:
        raise RuntimeError(f"batch {number}")

    monkeypatch.setattr(maker, "make", fail)
    with pytest.raises(RuntimeError, match="batch 7"):
        next(prefetch(maker, 7))
