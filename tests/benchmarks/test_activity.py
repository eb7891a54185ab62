"""The activity benchmark's scenes: their truth is the truth, and the tally counts as it says."""

from __future__ import annotations

import numpy as np

from benchmarks.activity import Tally, event_of, hop_levels, scenes
from export.train.cache import SampleStore
from export.train.corpus import SAMPLE_RATE, Recording


def recording(label: str, number: int = 0) -> Recording:
    return Recording(f"{label}/{number}.opus", label, (label,), "test", "none", "", SAMPLE_RATE, 8.0)


def bursts() -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    """Eight seconds: a tone that sounds for 0.5 s in every second."""
    time = np.arange(8 * SAMPLE_RATE) / SAMPLE_RATE
    return np.asarray(8000 * np.sin(2 * np.pi * 1000 * time) * (time % 1.0 < 0.5), np.int16)


def test_an_event_sounds_from_its_first_hop_to_its_last() -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        event = event_of(bursts(), rng)
        assert event is not None
        levels = hop_levels(event)
        assert len(event) <= 0.51 * SAMPLE_RATE, "no piece has a pause inside"
        assert levels.min() > 1e-3 * levels.max()
    assert event_of(np.zeros(SAMPLE_RATE, np.int16), rng) is None


def test_the_truth_of_a_scene_is_where_its_target_is() -> None:
    target, rest = recording("dog bark"), recording("rain")
    noise = np.random.default_rng(2).integers(-300, 300, 12 * SAMPLE_RATE).astype(np.int16)
    store = SampleStore({target.file: bursts(), rest.file: noise})
    made = list(scenes([target, rest], store, ["dog bark"], 8, 30.0, 1))
    assert len(made) == 8
    assert sum(len(scene.spans) for scene in made) > 8
    for scene in made:
        levels = hop_levels(scene.samples[0])
        loud = np.zeros(len(levels), bool)
        for begin, end in scene.spans:
            loud[round(begin * 100) + 1 : round(end * 100) - 1] = True
            assert levels[round(begin * 100) + 1 : round(end * 100) - 1].min() > 10 * np.median(levels[:50])
        quiet = ~np.convolve(loud, np.ones(7), "same").astype(bool)
        assert not scene.spans or levels[quiet].max() < 0.1 * levels[loud].min()
    again = list(scenes([target, rest], store, ["dog bark"], 8, 30.0, 1))
    assert [scene.spans for scene in again] == [scene.spans for scene in made]


def test_a_tally_counts_events_and_errors() -> None:
    tally = Tally()
    tally.count([(1.02, 2.0), (5.0, 6.0)], [(1.0, 2.05), (3.0, 4.0)])
    tally.count([], [(1.0, 2.0)])
    told = tally.result()
    assert (told["events"], told["found"]) == (3, 2)
    assert told["f1"] == told["f1_onsets"] == round(2 / 5, 3)
    assert told["onset_ms_p25_p50_p75"][0] < 20
