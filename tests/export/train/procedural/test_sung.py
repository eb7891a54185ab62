from __future__ import annotations

import importlib
import warnings

import numpy as np
import pytest

from export.train.cache import SampleStore
from export.train.corpus import PROCEDURAL, SAMPLE_RATE, SPEECH, Recording, origin
from export.train.procedural import sung

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # pyworld asks pkg_resources for its version, which is deprecated
    try:
        importlib.import_module("pyworld")
        missing = ""
    except ImportError as error:
        missing = str(error)

needs_pyworld = pytest.mark.skipif(bool(missing), reason=f"pyworld cannot be imported: {missing}")


def _voice(speaker: str, file: str, seconds: float = 6.0) -> Recording:
    return Recording(file, SPEECH, (SPEECH,), "somewhere", "CC-BY-4.0", speaker, 16_000, seconds)


def _speech(seconds: float = 6.0) -> sung.Int16:
    """A buzz of 120 Hz with syllables and pauses: voiced enough for WORLD."""
    t = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    buzz = sum(np.sin(2 * np.pi * 120 * k * t) / k for k in range(1, 30))
    return np.asarray(6000 * buzz * (np.sin(2 * np.pi * 1.5 * t) > -0.6), np.int16)


@needs_pyworld
def test_every_voice_sings_and_is_an_origin_of_its_own() -> None:
    voices = [_voice("ls10", "speech/a_1.opus"), _voice("ls11", "speech/b_1.opus"), _voice("", "speech/c_7.opus")]
    store = SampleStore({voice.file: _speech() for voice in voices})
    recordings, arrays = sung.sung_recordings(voices, store, seed=1, clips=4)
    _, again = sung.sung_recordings(voices, store, seed=1, clips=4)
    assert len(recordings) == 4
    assert len({origin(r) for r in recordings}) == 3
    for r in recordings:
        assert (r.label, r.concepts, r.source, r.licence) == ("singing", ("singing",), PROCEDURAL, "CC-BY-4.0")
        assert arrays[r.file].dtype == np.int16
        assert len(arrays[r.file]) <= 5 * SAMPLE_RATE
        assert r.seconds == pytest.approx(len(arrays[r.file]) / SAMPLE_RATE)
        assert np.abs(arrays[r.file]).max() > 15_000
        np.testing.assert_array_equal(arrays[r.file], again[r.file])


@needs_pyworld
def test_silence_is_not_sung() -> None:
    quiet = np.asarray(np.random.default_rng(0).integers(-3, 4, 6 * SAMPLE_RATE), np.int16)
    assert sung.sing(quiet, np.random.default_rng(0)) is None


def test_short_recordings_are_left_alone() -> None:
    recordings, arrays = sung.sung_recordings([_voice("x", "speech/x.opus", 2.0)], SampleStore({}))
    assert recordings == []
    assert arrays == {}


def test_a_tune_stays_near_the_voice() -> None:
    for seed in range(5):
        hz = sung._tune(800, 120.0, np.random.default_rng(seed))
        assert 120 * 2 ** (-8.5 / 12) < hz.min() < hz.max() < 120 * 2 ** (17 / 12)
