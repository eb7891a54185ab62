"""`engine.ranking`: a sound is judged as it is made, in stretches; who cannot be ranked is refused by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from engine import ranking
from engine.bundle import Bundle, load_bundle
from engine.errors import BadInput
from engine.offline import separate
from engine.programs.flow_judge import Judge, Scores
from engine.prompt import Target
from engine.ranking import MOST_CANDIDATES, Ranking, Trial, check_candidates
from tests.engine.flow import bundle_in, folder_with_judge, open_graphs
from tests.engine.streams import noise

Floats = NDArray[np.float32]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return load_bundle(folder_with_judge(tmp_path_factory.mktemp("judged")), provider="cpu")


def judge_of(bundle: Bundle) -> Judge:
    return ranking.judge_of(bundle)


def test_another_seed_makes_another_sound(bundle: Bundle) -> None:
    clip = noise(30_000)
    plain, first, second = (
        separate(bundle, clip, 48_000, (target,)).targets["a"]
        for target in (Target("a", "dog"), Target("a", "dog", seed=0), Target("a", "dog", seed=1))
    )
    np.testing.assert_array_equal(plain, first)
    assert np.abs(plain - second).max() > 1e-3
    both = separate(bundle, clip, 48_000, (Target("a", "dog"), Target("b", "dog", seed=1))).targets
    np.testing.assert_allclose(both["a"], plain, atol=1e-5)
    np.testing.assert_allclose(both["b"], second, atol=1e-5)


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_a_seed_has_64_bits(bundle: Bundle, seed: int) -> None:
    with pytest.raises(BadInput) as caught:
        separate(bundle, noise(4800), 48_000, (Target("a", "dog", seed=seed),))
    assert caught.value.field == "targets.a.seed"


@pytest.mark.parametrize("channels", [1, 2])
def test_a_short_sound_is_judged_at_once_however_it_comes(bundle: Bundle, channels: int) -> None:
    mix, found = noise(20_000, channels), noise(20_000, channels, seed=3)
    concepts = bundle.vocabulary.read("dog")
    trial = Trial(bundle, concepts, 48_000)
    trial.feed(mix=mix[:, :15_000])
    for begin in range(0, 20_000, 700):
        trial.feed(separated=found[:, begin : begin + 700])
    trial.feed(mix=mix[:, 15_000:])
    wanted = judge_of(bundle).scores("dog", mix.mean(axis=0), found.mean(axis=0))
    assert trial.verdict() == pytest.approx(wanted, abs=1e-6)


def test_of_everything_but_it_is_asked_how_well_that_was_found(bundle: Bundle) -> None:
    mix, rest = noise(9600), noise(9600, seed=3)
    trial = Trial(bundle, bundle.vocabulary.read("everything but dog"), 48_000)
    trial.feed(mix, rest)
    assert trial.verdict() == pytest.approx(judge_of(bundle).scores("dog", mix[0], (mix - rest)[0]), abs=1e-6)


def test_long_sounds_are_judged_in_stretches_by_their_length(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    lengths: list[int] = []

    def scores(judge: Judge, phrase: str, mix: Floats, separated: Floats) -> Scores:
        lengths.append(len(mix))
        return Scores(*(4 * [float(len(lengths))]))

    monkeypatch.setattr(Judge, "scores", scores)
    monkeypatch.setattr(ranking, "JUDGED_S", 1.0)
    trial = Trial(bundle, bundle.vocabulary.read("dog"), 48_000)
    for _ in range(25):
        trial.feed(np.zeros((1, 4800), np.float32), np.zeros((1, 4800), np.float32))
        assert trial._held.shape[1] < 1.5 * 48_000
    assert trial.verdict().overall == pytest.approx((48_000 * (1 + 2) + 24_000 * 3) / 120_000)
    assert lengths == [48_000, 48_000, 24_000]


def test_another_rate_is_judged_at_the_models(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    lengths: list[int] = []

    def scores(judge: Judge, phrase: str, mix: Floats, separated: Floats) -> Scores:
        lengths.append(len(mix))
        np.testing.assert_allclose(mix, separated, atol=1e-6)
        return Scores(1.0, 1.0, 1.0, 1.0)

    monkeypatch.setattr(Judge, "scores", scores)
    trial = Trial(bundle, bundle.vocabulary.read("dog"), 16_000)
    trial.feed(noise(16_000), noise(16_000))
    trial.verdict()
    assert lengths[0] == pytest.approx(48_000, abs=200)


def test_the_first_of_equals_is_best() -> None:
    found = Ranking([Scores(overall, 1.0, 1.0, 1.0) for overall in (2.0, 3.0, 3.0)])
    assert found.best == 1


def test_what_cannot_be_ranked_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    check_candidates(bundle, MOST_CANDIDATES)
    without = bundle_in(open_graphs())
    check_candidates(without, 1)
    for found, count, said in (
        (bundle, 0, "1 to 8"), (bundle, 9, "1 to 8"), (without, 2, "--judge"),
        (load_bundle("identity"), 2, "flow_audio"),
    ):  # fmt: skip
        with pytest.raises(BadInput, match=said) as caught:
            check_candidates(found, count)
        assert caught.value.field == "reranking_candidates"
