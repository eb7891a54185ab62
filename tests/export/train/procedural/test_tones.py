from __future__ import annotations

import numpy as np
import pytest

from export.train.procedural import tones
from tests.export.train.procedural.listening import (
    called,
    middle_hz,
    onsets,
    peak_hz,
    share_between,
    takes,
)


@pytest.mark.parametrize("name", ["wail", "yelp", "phaser", "two tone", "air raid", "synthetic"])
def test_sirens_sound_where_sirens_do(name: str) -> None:
    for clip in takes(called(tones.KINDS, "siren", name)):
        assert 200 < middle_hz(clip) < 3500


def test_a_wail_moves_over_half_an_octave() -> None:
    for clip in takes(called(tones.KINDS, "siren", "wail")):
        pitches = [peak_hz(part) for part in np.array_split(clip, 25)]
        assert np.percentile(pitches, 95) > 1.4 * np.percentile(pitches, 5)


def test_a_smoke_detector_is_a_pulsed_tone_of_about_three_kilohertz() -> None:
    for clip in takes(called(tones.KINDS, "alarm", "smoke detector")):
        assert 2650 < peak_hz(clip) < 3650
        assert 2 <= onsets(clip, 0.02) <= 40


def test_a_reversing_alarm_beeps_about_once_a_second() -> None:
    for clip in takes(called(tones.KINDS, "alarm", "reversing"), 8):
        assert 3 <= onsets(clip, 0.04, 0.25) <= 11


def test_a_ringing_tone_has_the_frequencies_of_the_network() -> None:
    for clip in takes(called(tones.KINDS, "telephone", "ringing tone")):
        assert 395 < peak_hz(clip) < 485


def test_dialled_keys_hold_a_low_and_a_high_tone() -> None:
    for clip in takes(called(tones.KINDS, "telephone", "dialling")):
        assert share_between(clip, 400, 1000) > 0.1
        assert share_between(clip, 1100, 1600) > 0.1


def test_the_second_bar_of_a_ding_dong_is_the_lower() -> None:
    for clip in takes(called(tones.KINDS, "doorbell", "ding dong")):
        first, second = peak_hz(clip[4800:16800]), middle_hz(clip)
        assert 450 < first < 1150
        assert second <= first * 1.02
