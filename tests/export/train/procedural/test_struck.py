from __future__ import annotations

import numpy as np
import pytest

from export.train.procedural import struck
from tests.export.train.procedural.listening import (
    burstiness,
    called,
    envelope,
    middle_hz,
    share_between,
    takes,
)


def test_a_church_bell_is_low_and_rings_long() -> None:
    for clip in takes(called(struck.KINDS, "bell", "church")):
        assert middle_hz(clip) < 2500
        assert np.median(envelope(clip)) > 0.02 * envelope(clip).max()


def test_a_bicycle_bell_is_high() -> None:
    for clip in takes(called(struck.KINDS, "bell", "bicycle")):
        assert share_between(clip, 1500, 20_000) > 0.9


@pytest.mark.parametrize(("label", "name"), [("glass", "shatter"), ("cymbal", "crash"), ("cymbal", "gong")])
def test_what_was_struck_once_dies_away(label: str, name: str) -> None:
    for clip in takes(called(struck.KINDS, label, name)):
        level = envelope(clip)
        assert level[-10:].mean() < 0.5 * level.max()


def test_shards_are_high_and_many() -> None:
    for clip in takes(called(struck.KINDS, "glass", "shatter")):
        assert share_between(clip, 1000, 20_000) > 0.6
        assert burstiness(clip) > 12


def test_a_gong_is_lower_than_a_hi_hat() -> None:
    gongs = [middle_hz(clip) for clip in takes(called(struck.KINDS, "cymbal", "gong"))]
    hats = [middle_hz(clip) for clip in takes(called(struck.KINDS, "cymbal", "hi hat"))]
    assert max(gongs) < min(hats)
