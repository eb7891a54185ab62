from __future__ import annotations

import numpy as np
import pytest

from export.train.corpus import SAMPLE_RATE
from export.train.procedural import singing
from tests.export.train.procedural.listening import share_between


def test_these_classes_are_made() -> None:
    assert {kind.label for kind in singing.KINDS} == {"singing"}


@pytest.mark.parametrize("seed", range(5))
def test_a_melody_keeps_to_its_range_and_its_scale(seed: int) -> None:
    keys, note, since = singing.melody(np.random.default_rng(seed), 240_000, 48, 69, 0.25, 1.0)
    assert keys.min() >= 48
    assert keys.max() <= 69
    assert len(np.unique(keys)) > 2
    assert (np.diff(note) >= 0).all()
    assert 0 <= since.min() <= since.max() <= 1.0


def test_vibrato_waits_for_the_note_and_is_five_to_six_and_a_half_hertz() -> None:
    since = np.arange(240_000) / SAMPLE_RATE
    swing = singing.vibrato(np.random.default_rng(0), since, 1.0)
    assert np.abs(swing[:9600]).max() == 0
    rate = np.argmax(np.abs(np.fft.rfft(swing))) / 5
    assert 4.5 <= rate <= 7


@pytest.mark.parametrize("seed", range(3))
def test_a_soprano_has_no_bass_and_a_bass_no_treble_alone(seed: int) -> None:
    high = singing.solo(np.random.default_rng(seed), 60, 84, 1.17, 0.7, 0.4)
    low = singing.solo(np.random.default_rng(seed), 38, 60, 0.95, 0.6, 0.8)
    assert share_between(high, 0, 230) < 0.05
    assert share_between(low, 60, 800) > 0.5
