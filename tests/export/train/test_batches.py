from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from export.train.batches import BatchMaker, activity, choose_question, prefetch
from export.train.concepts import vocabulary
from export.train.corpus import MAN, SPEECH, WOMAN
from export.train.scenes import Source
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
    np.testing.assert_array_equal(first.mixture, again.mixture)
    assert not np.array_equal(first.mixture, other.mixture)


def test_shapes_and_finite_values(maker: BatchMaker) -> None:
    batch = maker.make(0)
    assert batch.mixture.shape == batch.target.shape == (6, 50, 480)
    assert batch.mixture.dtype == np.complex64
    assert batch.asked.shape == (6, len(CONCEPTS))
    assert batch.hint.shape == (6, 50, 2)
    assert batch.scored.shape == (6, 1, 480)
    for array in (batch.mixture, batch.target, batch.hint, batch.active):
        assert np.isfinite(array).all()


def test_absent_targets_are_zero_and_inactive(maker: BatchMaker) -> None:
    seen = 0
    for number in range(20):
        batch = maker.make(number)
        for target, active in zip(batch.target, batch.active, strict=True):
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
        hinted += int(batch.hint.any(axis=(1, 2)).sum())
    assert 6 <= hinted <= 34


def test_levels_lie_between_minus_50_and_minus_10_dbfs(maker: BatchMaker) -> None:
    mixture = maker.make(2).mixture
    level_db = 10 * np.log10(np.mean(np.sum(np.abs(mixture) ** 2, -1), -1) / 480**2)
    assert (level_db > -50.1).all()
    assert (level_db < -9.9).all()


def test_activity_is_relative_to_the_loudest_frame() -> None:
    target = np.zeros((1, 3, 480), np.complex64)
    target[0, :, 10] = [1.0, 0.01, 0.001]
    np.testing.assert_array_equal(activity(target), [[1, 1, 0]])


def test_prefetched_batches_come_in_order(maker: BatchMaker) -> None:
    batches = list(islice(prefetch(maker, 3), 2))
    np.testing.assert_array_equal(batches[1].mixture, maker.make(4).mixture)


def test_a_fault_in_the_mixing_thread_reaches_the_loop(maker: BatchMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(number: int) -> None:
        raise RuntimeError(f"batch {number}")

    monkeypatch.setattr(maker, "make", fail)
    with pytest.raises(RuntimeError, match="batch 7"):
        next(prefetch(maker, 7))
