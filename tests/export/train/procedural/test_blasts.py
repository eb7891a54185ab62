from __future__ import annotations

import numpy as np

from export.train.procedural import blasts
from tests.export.train.procedural.listening import (
    burstiness,
    called,
    envelope,
    middle_hz,
    onsets,
    peak_hz,
    share_between,
    takes,
)


def test_a_blast_is_low_and_its_highs_die_first() -> None:
    for clip in takes(called(blasts.KINDS, "explosion", "blast")):
        assert middle_hz(clip) < 600
        begin, end = clip[:24_000], clip[-36_000:]
        assert envelope(end).mean() < envelope(begin).max()


def test_distance_takes_the_highs() -> None:
    far = [share_between(clip, 2000, 20_000) for clip in takes(called(blasts.KINDS, "explosion", "distant"))]
    near = [share_between(clip, 2000, 20_000) for clip in takes(called(blasts.KINDS, "explosion", "gunfire"))]
    assert np.mean(far) < np.mean(near)


def test_crackers_go_off_many_times() -> None:
    for clip in takes(called(blasts.KINDS, "fireworks", "crackers")):
        assert onsets(clip, 0.005, 0.2) > 5
        assert peak_hz(clip) < 6000
        assert burstiness(clip) > 10
