from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from export.train.cache import SampleStore
from export.train.corpus import MAN, PROCEDURAL, SPEECH, WOMAN, Recording
from export.train.scenes import NOISE_SPEED, VOICE_SPEED, Recipe, SceneMaker


def test_pieces_lie_within_recording_and_source(scenes: SceneMaker, store: SampleStore) -> None:
    for seed in range(60):
        for source in scenes.draw(np.random.default_rng(seed)):
            end = 0
            for piece in source.pieces:
                assert piece.cut.at >= end
                assert piece.cut.begin >= 0
                assert piece.cut.length > 0
                assert piece.cut.begin + piece.cut.length <= len(store[piece.file])
                end = piece.cut.at + piece.cut.length
            assert 0 < end <= scenes.length * source.speed + 2


def test_speeds_rooms_and_events_are_within_their_ranges(scenes: SceneMaker) -> None:
    sources = [source for seed in range(100) for source in scenes.draw(np.random.default_rng(seed))]
    for source in sources:
        slowest, fastest = VOICE_SPEED if source.label == SPEECH else NOISE_SPEED
        assert slowest <= source.speed <= fastest
        assert source.room is None or 0.1 <= source.room.decay_s <= 0.5
        assert all(length >= 0.15 * 48_000 for _, length in source.events or ())
    assert 0.2 < np.mean([source.speed == 1 for source in sources]) < 0.6
    assert 0.05 < np.mean([source.room is not None for source in sources]) < 0.3
    assert 0.15 < np.mean([source.events is not None for source in sources]) < 0.45


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


def test_noisy_speech_is_one_voice_above_one_to_three_noises(recordings: list[Recording], store: SampleStore) -> None:
    scenes = SceneMaker(recordings, store, Recipe(seconds=0.3, noisy_speech_share=1.0))
    counts: Counter[int] = Counter()
    backwards = []
    for seed in range(60):
        voice, *noises = scenes.draw(np.random.default_rng(seed))
        assert voice.label == SPEECH
        assert not voice.backwards
        assert -3 <= voice.gain_db <= 18
        assert all(noise.label == "rain" and noise.gain_db == 0 for noise in noises)
        counts[len(noises)] += 1
        backwards += [noise.backwards for noise in noises]
    assert counts[1] > 25
    assert min(counts[2], counts[3]) > 5
    assert counts.total() == counts[1] + counts[2] + counts[3]
    assert 0.3 < np.mean(backwards) < 0.7


def test_sounds_that_are_asked_for_are_played_forwards(recordings: list[Recording], store: SampleStore) -> None:
    scenes = SceneMaker(recordings, store, Recipe(seconds=0.3, noisy_speech_share=0.0))
    assert not any(source.backwards for seed in range(40) for source in scenes.draw(np.random.default_rng(seed)))


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
    assert first == again


def share_of_made_rain(recordings: list[Recording], store: SampleStore, kinds: Sequence[str], recorded: int) -> float:
    made = [Recording(f"procedural/rain_{kind}_{n}", "rain", ("rain",), PROCEDURAL, "", "", 48_000, 1.0)
            for kind in kinds for n in range(9)]  # fmt: skip
    store.add({one.file: np.ones(48_000, np.int16) for one in made})
    rain = next(one for one in recordings if one.label == "rain")
    rains = [replace(rain, file=f"{name}.wav") for name in ("brook", "gutter", "meadow", "puddle")[:recorded]]
    store.add({one.file: np.ones(48_000, np.int16) for one in rains})
    scenes = SceneMaker([*rains, *made], store, Recipe(seconds=0.3, sources=(1.0, 0.0, 0.0, 0.0)))
    files = [
        piece.file
        for seed in range(400)
        for one in scenes.draw(np.random.default_rng(seed))
        for piece in one.pieces[:1]
    ]
    assert {file.startswith("procedural") for file in files} == ({True} if not recorded else {True, False})
    return float(np.mean([file.startswith("procedural") for file in files]))


def test_recorded_sounds_are_not_drowned_by_synthetic_ones(recordings: list[Recording], store: SampleStore) -> None:
    assert 0.4 < share_of_made_rain(recordings, store, ("roof", "tin", "leaf", "road"), recorded=1) < 0.6


def test_where_more_is_recorded_than_made_origins_count(recordings: list[Recording], store: SampleStore) -> None:
    assert 0.13 < share_of_made_rain(recordings, store, ("roof",), recorded=4) < 0.27


def test_what_was_never_recorded_is_made(recordings: list[Recording], store: SampleStore) -> None:
    assert share_of_made_rain(recordings, store, ("roof", "tin"), recorded=0) == 1
