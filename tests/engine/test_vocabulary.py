"""A bundle's concepts and vectors: read whole or refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.errors import BundleError
from engine.lexicon import lexicon_for
from engine.prompt import ConceptSet, Match
from engine.spec import MODELS_FOLDER, AudioSpec, ModelSpec, load_spec
from engine.vocabulary import Vocabulary

SPEC = ModelSpec(
    name="test",
    version="1",
    description="",
    licence="Apache-2.0",
    program="mask",
    runtime="identity",
    audio=AudioSpec(sample_rate=48000, window=960, hop=480, crossfade=480),
    bins=481,
    query_size=3,
)
ROWS: list[dict[str, Any]] = [
    {"label": "speech", "status": "advertised", "si_sdr_improvement_db": 8.5, "held_out_recordings": 40},
    {"label": "rain", "status": "experimental", "si_sdr_improvement_db": -0.5, "held_out_recordings": 3},
    {"label": "siren", "status": "experimental", "si_sdr_improvement_db": None, "held_out_recordings": 0},
]
VECTORS = np.arange(9, dtype=np.float32).reshape(3, 3)


def written(folder: Path, rows: object = ROWS, vectors: object = VECTORS) -> Path:
    """A folder with both files."""
    (folder / "concepts.json").write_text(json.dumps(rows), encoding="utf-8")
    np.save(folder / "concept_vectors.npy", np.asarray(vectors))
    return folder


def test_load(tmp_path: Path) -> None:
    vocabulary = Vocabulary.load(written(tmp_path), SPEC)
    assert vocabulary.labels == ("speech", "rain", "siren")
    assert vocabulary.advertised == ("speech",)
    assert vocabulary.experimental == ("rain", "siren")
    assert vocabulary.scores == {"speech": 8.5, "rain": -0.5, "siren": None}
    assert vocabulary.vectors.dtype == np.float32
    with pytest.raises(ValueError, match="read-only"):
        vocabulary.vectors[0, 0] = 1.0


def test_query_is_the_sum(tmp_path: Path) -> None:
    vocabulary = Vocabulary.load(written(tmp_path), SPEC)
    both = ConceptSet((Match("siren", 0.9), Match("speech", 1.0)))
    np.testing.assert_array_equal(vocabulary.query(both), [6.0, 8.0, 10.0])
    np.testing.assert_array_equal(vocabulary.query(ConceptSet(both.matches, inverted=True)), [6.0, 8.0, 10.0])
    nothing = vocabulary.query(ConceptSet(()))
    assert nothing.shape == (3,)
    assert nothing.dtype == np.float32
    assert not nothing.any()
    with pytest.raises(KeyError):
        vocabulary.query(ConceptSet((Match("dog bark", 1.0),)))


def test_query_is_the_callers_own(tmp_path: Path) -> None:
    vocabulary = Vocabulary.load(written(tmp_path), SPEC)
    rain = ConceptSet((Match("rain", 1.0),))
    vocabulary.query(rain)[:] = 0.0
    np.testing.assert_array_equal(vocabulary.query(rain), [3.0, 4.0, 5.0])


@pytest.mark.parametrize(
    "rows",
    [
        [], {}, "x", [{"label": "speech"}], [{**ROWS[0], "status": "great"}, *ROWS[1:]],
        [{**ROWS[0], "colour": "red"}, *ROWS[1:]], [ROWS[0], ROWS[0], ROWS[1]], [{**ROWS[0], "label": ""}, *ROWS[1:]],
        [{**ROWS[0], "held_out_recordings": -1}, *ROWS[1:]],
    ],
)  # fmt: skip
def test_bad_concepts_are_refused(tmp_path: Path, rows: object) -> None:
    with pytest.raises(BundleError) as raised:
        Vocabulary.load(written(tmp_path, rows=rows), SPEC)
    assert raised.value.field == "concepts.json"


@pytest.mark.parametrize(
    "vectors",
    [VECTORS[:2], VECTORS[:, :2], VECTORS.astype(np.float64), VECTORS.ravel(), np.full((3, 3), np.nan, np.float32)],
)
def test_bad_vectors_are_refused(tmp_path: Path, vectors: object) -> None:
    with pytest.raises(BundleError) as raised:
        Vocabulary.load(written(tmp_path, vectors=vectors), SPEC)
    assert raised.value.field == "concept_vectors.npy"


@pytest.mark.parametrize("name", ["concepts.json", "concept_vectors.npy"])
@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe{", b"[1, 2", b"\x93NUMPY"])
def test_missing_or_broken_file_is_refused(tmp_path: Path, name: str, content: bytes | None) -> None:
    path = written(tmp_path) / name
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BundleError) as raised:
        Vocabulary.load(tmp_path, SPEC)
    assert raised.value.field == name


def test_pickled_vectors_are_refused(tmp_path: Path) -> None:
    written(tmp_path)
    np.save(tmp_path / "concept_vectors.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(BundleError):
        Vocabulary.load(tmp_path, SPEC)


def test_identity_bundle_knows_every_word_of_the_lexicon() -> None:
    folder = MODELS_FOLDER / "identity"
    vocabulary = Vocabulary.load(folder, load_spec(folder))
    assert set(vocabulary.labels) == set(lexicon_for().concepts)
    assert not vocabulary.vectors.any()
