from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from export.train.concepts import vocabulary
from export.train.corpus import MAN, SPEECH, WOMAN
from export.train.examples import Example, ExampleMaker, choose_question
from export.train.scenes import SceneMaker, Source
from tests.export.conftest import tiny_recordings

CONCEPTS = vocabulary(tiny_recordings())


def source(label: str, *concepts: str) -> Source:
    return Source(label, concepts or (label,), 24_000.0)


def questions(sources: list[Source], count: int = 400) -> list[set[str]]:
    return [choose_question(sources, CONCEPTS, np.random.default_rng(seed)) for seed in range(count)]


def drawn(scenes: SceneMaker, count: int) -> list[Example]:
    maker = ExampleMaker(scenes, CONCEPTS, 2)
    return [maker.draw(np.random.default_rng(seed)) for seed in range(count)]


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


def test_a_word_is_widened_to_an_umbrella_at_times() -> None:
    pets = frozenset({"rain", "whistle"})
    rngs = [np.random.default_rng(seed) for seed in range(300)]
    asked = [choose_question([source("rain"), source(SPEECH, SPEECH)], CONCEPTS, rng, [pets]) for rng in rngs]
    assert 5 < sum(question == pets for question in asked) < 60


def test_two_questions_of_a_mixture_differ_as_a_rule(scenes: SceneMaker) -> None:
    same = [first == second for first, second in (example.asked for example in drawn(scenes, 40))]
    assert sum(same) < len(same) / 4


def test_what_answers_is_what_is_asked_for(scenes: SceneMaker) -> None:
    for example in drawn(scenes, 40):
        for wanted, hits in zip(example.asked, example.hits, strict=True):
            assert hits == tuple(bool(wanted & set(one.concepts)) for one in example.sources)


def test_nothing_is_scored_above_what_every_recording_could_fill(scenes: SceneMaker) -> None:
    """The tiny voices end at 8 kHz, bin 160; one that is extended reaches 20 kHz, bin 400."""
    seen = set()
    for example in drawn(scenes, 60):
        if any(one.label == SPEECH for one in example.sources):
            extended = {extension.row for extension in example.extensions}
            plain = any(one.label == SPEECH and row not in extended for row, one in enumerate(example.sources))
            assert example.filled.sum() == (160 if plain else 400)
            seen.add(plain)
        else:
            assert example.filled.all()
    assert seen == {True, False}


def test_an_extension_falls_towards_the_top(scenes: SceneMaker) -> None:
    gains = [extension.gains for example in drawn(scenes, 60) for extension in example.extensions]
    assert gains
    assert all(1 >= first > second > third > 0 for first, second, third in gains)


def bends(gains: NDArray[np.float32]) -> int:
    """How often a curve turns from rising to falling or back, where it lets anything through."""
    slopes = np.diff(20 * np.log10(gains[gains > 0]))
    signs = np.sign(slopes[np.abs(slopes) > 1e-4])
    return int(np.count_nonzero(np.diff(signs)))


def test_sounds_are_coloured_in_more_ways_than_voices(scenes: SceneMaker) -> None:
    voices: list[int] = []
    sounds: list[int] = []
    for example in drawn(scenes, 100):
        for one, gains in zip(example.sources, example.gains, strict=True):
            coloured = gains[gains > 0] * 10 ** (-one.gain_db / 20)
            assert coloured.min() >= 10 ** (-24 / 20)
            assert coloured.max() <= 10 ** (24 / 20)
            (voices if one.label == SPEECH else sounds).append(bends(gains))
    assert max(voices) == 1
    assert 0.4 < np.mean(np.array(sounds) > 1) < 0.7
    assert 0.2 < np.mean(np.array(sounds) == 0) < 0.5


def test_levels_hints_and_hiss_are_within_their_ranges(scenes: SceneMaker) -> None:
    examples = drawn(scenes, 100)
    assert all(-50 <= example.level_db <= -10 for example in examples)
    hints = [hint for example in examples for hint in example.hints if hint is not None]
    assert 0.2 * 200 < len(hints) < 0.4 * 200
    assert all(0 <= hint.begin <= hint.end <= 50 for hint in hints)
    assert 0.1 * 100 < sum(example.hiss is not None for example in examples) < 0.3 * 100


def test_the_same_generator_draws_the_same_example(scenes: SceneMaker) -> None:
    first, again = (ExampleMaker(scenes, CONCEPTS, 2).draw(np.random.default_rng(9)) for _ in range(2))
    assert (first.sources, first.asked, first.seed) == (again.sources, again.asked, again.seed)
    np.testing.assert_array_equal(first.gains, again.gains)
