from __future__ import annotations

import re

import numpy as np
import pytest

from engine.lexicon import lexicon_for
from export.train import procedural
from export.train.corpus import NAMELESS, PROCEDURAL, Recording, origin
from export.train.procedural.kind import Kind
from tests.export.train.procedural.listening import check_clip, each

VOCABULARY = frozenset(lexicon_for().concepts)


def _recording(kind: Kind, take: int) -> Recording:
    return Recording(procedural.file_name(kind, take), kind.label, (), PROCEDURAL, "Apache-2.0", "", 48_000, 5.0)


def test_kinds_are_of_the_vocabulary_and_named_without_digits() -> None:
    for kind in procedural.KINDS:
        assert kind.label in VOCABULARY or kind.label == NAMELESS
        assert re.fullmatch(r"[a-z ]+", kind.name)
        assert kind.clips > 0


@pytest.mark.parametrize("kind", each(tuple(kind for kind in procedural.KINDS if kind.label != NAMELESS)))
def test_every_kind_makes_sound_clips(kind: Kind) -> None:
    check_clip(kind)


def test_each_kind_is_one_origin() -> None:
    origins = [{origin(_recording(kind, take)) for take in (0, 1, 17)} for kind in procedural.KINDS]
    assert all(len(one) == 1 for one in origins)
    assert len(set.union(*origins)) == len(procedural.KINDS)


def test_recordings_are_the_same_every_time_whatever_kinds_stand_beside(monkeypatch: pytest.MonkeyPatch) -> None:
    few = tuple(Kind(kind.label, kind.name, kind.make, 2) for kind in procedural.KINDS[::11])
    noise = tuple(Kind(kind.label, kind.name, kind.make, 2) for kind in procedural.KINDS if kind.label == NAMELESS)
    monkeypatch.setattr(procedural, "KINDS", (*few, *noise))
    recordings, arrays = procedural.procedural_recordings()
    monkeypatch.setattr(procedural, "KINDS", few[1:])
    _, again = procedural.procedural_recordings()
    assert all(r.source == PROCEDURAL and r.licence == "Apache-2.0" and r.file in arrays for r in recordings)
    assert all(r.concepts == ((r.label,) if r.label else ()) for r in recordings)
    assert set(again) < set(arrays)
    for file, samples in again.items():
        np.testing.assert_array_equal(samples, arrays[file])
        assert samples.dtype == np.int16
        assert 15_900 <= np.abs(samples.astype(int)).max() <= 16_000
