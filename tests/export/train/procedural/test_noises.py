from __future__ import annotations

import numpy as np

from export.train.corpus import NAMELESS
from export.train.procedural import noises
from tests.export.train.procedural.listening import middle_hz, takes


def test_noises_are_nameless_many_and_of_all_colours() -> None:
    (kind,) = noises.KINDS
    assert kind.label == NAMELESS
    assert kind.clips == 240
    clips = list(takes(kind, 12))
    assert all(np.isfinite(clip).all() and np.abs(clip).max() > 1e-3 for clip in clips)
    middles = [middle_hz(clip) for clip in clips]
    assert min(middles) < 300
    assert max(middles) > 2000
