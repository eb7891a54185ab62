from __future__ import annotations

from collections import Counter

import numpy as np

from export.train.cache import SampleStore
from export.train.corpus import MAN, SPEECH, WOMAN, Recording
from export.train.scenes import Recipe, SceneMaker


def test_sources_have_unit_power_and_the_right_length(scenes: SceneMaker) -> None:
    for seed in range(20):
        for source in scenes.draw(np.random.default_rng(seed)):
            assert source.samples.shape == (24_480,)
            assert source.samples.dtype == np.float32
            power = np.mean(np.square(source.samples.reshape(-1, 480)), axis=1)
            loud = power[power > 1e-4 * power.max()]
            assert not power.any() or abs(loud.mean() - 1) < 1e-3


def test_no_class_but_speech_stands_twice_in_a_scene(scenes: SceneMaker) -> None:
    kinds: Counter[int] = Counter()
    for seed in range(60):
        labels = [source.label for source in scenes.draw(np.random.default_rng(seed))]
        kinds[len(labels)] += 1
        # three classes only: a fourth source has nowhere to go, so scenes of up to three are looked at
        if len(labels) <= 2 and labels.count(SPEECH) < 2:
            assert len(set(labels)) == len(labels)
    assert kinds[2] > kinds[3] > 0


def test_speech_is_in_at_least_two_fifths(scenes: SceneMaker) -> None:
    with_speech = sum(
        any(source.label == SPEECH for source in scenes.draw(np.random.default_rng(seed))) for seed in range(200)
    )
    assert with_speech >= 80


def test_noisy_speech_is_one_voice_above_one_or_two_noises(recordings: list[Recording], store: SampleStore) -> None:
    scenes = SceneMaker(recordings, store, Recipe(seconds=0.3, noisy_speech_share=1.0))
    for seed in range(10):
        voice, *noises = scenes.draw(np.random.default_rng(seed))
        assert voice.label == SPEECH
        assert -3 <= voice.gain_db <= 18
        assert 1 <= len(noises) <= 2
        assert all(noise.label == "rain" and noise.gain_db == 0 for noise in noises)


def test_gains_stay_within_their_ranges(scenes: SceneMaker) -> None:
    gains = [source.gain_db for seed in range(40) for source in scenes.draw(np.random.default_rng(seed))]
    assert -10 <= min(gains) < -2
    assert 2 < max(gains) <= 18


def test_a_man_and_a_woman_meet_when_asked_to(recordings: list[Recording], store: SampleStore) -> None:
    scenes = SceneMaker(recordings, store, Recipe(seconds=0.3, noisy_speech_share=0.0, man_and_woman_share=1.0))
    sources = scenes.draw(np.random.default_rng(1))
    assert MAN in sources[0].concepts
    assert WOMAN in sources[1].concepts


def test_the_same_generator_draws_the_same_scene(scenes: SceneMaker) -> None:
    first, again = (scenes.draw(np.random.default_rng(9)) for _ in range(2))
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.samples, other.samples)
