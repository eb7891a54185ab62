from __future__ import annotations

import numpy as np
import pytest

from export.train import procedural
from export.train.corpus import NAMELESS, PROCEDURAL


@pytest.mark.parametrize("label", procedural.MAKERS)
def test_every_maker_makes_an_audible_clip(label: str) -> None:
    for seed in range(4):
        made = procedural.MAKERS[label](np.random.default_rng(seed))
        assert made.ndim == 1
        assert np.isfinite(made).all()
        assert np.abs(made).max() > 1e-3


def test_recordings_are_the_same_every_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(procedural, "CLIPS_PER_CLASS", 1)
    monkeypatch.setattr(procedural, "NOISE_CLIPS", 2)
    recordings, arrays = procedural.procedural_recordings()
    _, again = procedural.procedural_recordings()
    assert {r.label for r in recordings} == set(procedural.MAKERS)
    assert all(r.source == PROCEDURAL and r.file in arrays for r in recordings)
    assert [r.concepts for r in recordings if r.label == NAMELESS] == [(), ()]
    for file, samples in arrays.items():
        np.testing.assert_array_equal(samples, again[file])
        assert np.abs(samples).max() >= 15_900
