"""A bundle's concepts and vectors: read whole or refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.concepts import ConceptSet, Match
from engine.errors import BadInput, BundleError
from engine.lexicon import lexicon_for
from engine.phrase import understand
from engine.spec import MODELS_FOLDER, AudioSpec, ModelSpec, load_spec
from engine.vocabulary import Told, Understood, Vocabulary

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


UMBRELLAS: list[dict[str, Any]] = [
    *ROWS[:2],
    {"label": "weather", "status": "advertised", "members": ["rain", "wind"]},
    {"label": "wind", "status": "experimental"},
    {"label": "sound", "status": "advertised", "members": ["sound", "speech", "rain", "wind"]},
]


def asked_with(*labels: str) -> ConceptSet:
    """These concepts, each a little surer than the one before."""
    return ConceptSet(tuple(Match(label, 0.5 + 0.1 * number) for number, label in enumerate(labels)))


@pytest.mark.parametrize(
    ("labels", "asked"),
    [
        (("rain",), ["rain"]),
        (("rain", "wind"), ["weather"]),
        (("rain", "wind", "speech"), ["sound"]),
        (("rain", "wind", "speech", "sound"), ["sound"]),
        (("rain", "speech", "sound"), ["rain", "speech"]),
        (("rain", "weather"), ["rain"]),
        (("sound",), ["sound"]),
        ((), []),
    ],
)
def test_umbrella_is_asked_where_all_of_its_members_are_wanted(
    tmp_path: Path, labels: tuple[str, ...], asked: list[str]
) -> None:
    vectors = np.eye(5, 3, dtype=np.float32) + np.arange(5, dtype=np.float32)[:, None]
    vocabulary = Vocabulary.load(written(tmp_path, UMBRELLAS, vectors), SPEC)
    wanted = asked_with(*labels)
    assert [match.label for match in vocabulary.asked(wanted)] == asked
    rows = [vocabulary.labels.index(label) for label in asked]
    np.testing.assert_array_equal(vocabulary.query(wanted), vectors[rows].sum(axis=0))


def test_umbrella_is_as_sure_as_the_least_sure_member(tmp_path: Path) -> None:
    vocabulary = Vocabulary.load(written(tmp_path, UMBRELLAS, np.ones((5, 3), np.float32)), SPEC)
    told = vocabulary.understood(asked_with("wind", "rain"))
    assert told == Understood((Told("weather", 0.5, "advertised"),), inverted=False)
    assert vocabulary.caution(asked_with("wind", "rain")) is None
    assert "wind" in (vocabulary.caution(asked_with("wind")) or "")


def test_umbrella_word_reaches_its_own_vector(tmp_path: Path) -> None:
    vocabulary = Vocabulary.load(written(tmp_path, UMBRELLAS, np.eye(5, 3, dtype=np.float32)), SPEC)
    for prompt in ("stormy weather", "the wind and the rain", "remove the rain and the wind"):
        concepts = understand(prompt, vocabulary.labels)
        assert [match.label for match in vocabulary.asked(concepts)] == ["weather"], prompt
    concepts = understand("weather without the wind", vocabulary.labels)
    assert [match.label for match in vocabulary.asked(concepts)] == ["rain"]


def test_umbrella_over_what_is_no_label_is_refused(tmp_path: Path) -> None:
    rows = [*ROWS, {"label": "pet", "status": "advertised", "members": ["cat"]}]
    with pytest.raises(BundleError, match="'cat'"):
        Vocabulary.load(written(tmp_path, rows, np.ones((4, 3), np.float32)), SPEC)


def test_concepts_of_another_encoder_are_understood_like_our_own(tmp_path: Path) -> None:
    vocabulary = Vocabulary.load(written(tmp_path), SPEC)
    wider = vocabulary.with_concepts({"steam organ": [1.0, 2.0, 3.0], "siren": np.full(3, 9.0)})
    assert wider.labels == ("speech", "rain", "steam organ", "siren")
    assert vocabulary.labels == ("speech", "rain", "siren")
    concepts = understand("everything but the steam organs and the siren", wider.labels)
    np.testing.assert_array_equal(wider.query(concepts), [10.0, 11.0, 12.0])
    assert wider.understood(concepts).inverted
    assert wider.status["steam organ"] == "experimental"
    assert wider.scores["steam organ"] is None
    assert vocabulary.with_concepts({}).labels == vocabulary.labels


@pytest.mark.parametrize("label", ["", "Accordion", "the accordion", "dog, cat", "a" * 9 + " b" * 8, "e-piano", "!"])
def test_label_of_another_encoder_is_a_phrase_as_the_lexicon_reads_it(tmp_path: Path, label: str) -> None:
    with pytest.raises(BadInput) as raised:
        Vocabulary.load(written(tmp_path), SPEC).with_concepts({label: [1.0, 2.0, 3.0]})
    assert raised.value.field == f"concepts.{label}"


@pytest.mark.parametrize("vector", [[1.0], [[1.0, 2.0, 3.0]], [1.0, np.nan, 3.0], [1.0, np.inf, 3.0], 1.0])
def test_vector_of_another_encoder_is_of_the_models_size_and_finite(tmp_path: Path, vector: object) -> None:
    with pytest.raises(BadInput, match="3 finite numbers"):
        Vocabulary.load(written(tmp_path), SPEC).with_concepts({"kazoo": np.asarray(vector)})


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
