"""The concepts of a bundle and the vectors that ask its model for them.

`concepts.json` lists `{"label", "status", "si_sdr_improvement_db", "held_out_recordings"}` for each row of
`concept_vectors.npy`. The graph sees only the query vector, so this file is where another text encoder would plug in:
anything that turns a phrase into a float32 vector of `query_size` can take the place of `understand` and `query`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from engine.errors import BundleError
from engine.frames import Vector
from engine.prompt import ConceptSet
from engine.spec import ModelSpec

CONCEPTS_FILE = "concepts.json"
VECTORS_FILE = "concept_vectors.npy"

Status = Literal["advertised", "experimental"]


class _Concept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str = Field(min_length=1, max_length=64)
    status: Status
    si_sdr_improvement_db: float | None = None
    held_out_recordings: int = Field(default=0, ge=0)


_CONCEPTS = TypeAdapter(list[_Concept])


@dataclass(frozen=True, slots=True, eq=False)
class Vocabulary:
    """What a model can be asked for.

    Attributes:
        labels: the concepts, in the order of the vectors.
        vectors: `(n, query_size)` float32.
        status: label → "advertised", or "experimental" for a concept that scores too low to promise.
        scores: label → mean SI-SDR improvement in dB on held-out recordings, None where it was not measured.
    """

    labels: tuple[str, ...]
    vectors: NDArray[np.float32]
    status: dict[str, Status]
    scores: dict[str, float | None]

    @classmethod
    def load(cls, folder: Path, spec: ModelSpec) -> Vocabulary:
        """Read the vocabulary of the bundle in `folder`.

        Raises:
            BundleError: a file is missing or not valid, or does not fit the other or the spec; names the file.
        """
        concepts = _read_concepts(folder)
        labels = tuple(concept.label for concept in concepts)
        return cls(
            labels=labels,
            vectors=_read_vectors(folder, (len(labels), spec.query_size)),
            status={concept.label: concept.status for concept in concepts},
            scores={concept.label: concept.si_sdr_improvement_db for concept in concepts},
        )

    @property
    def advertised(self) -> tuple[str, ...]:
        """Labels that the model is offered with."""
        return tuple(label for label in self.labels if self.status[label] == "advertised")

    @property
    def experimental(self) -> tuple[str, ...]:
        """Labels that are understood and tried, without a promise."""
        return tuple(label for label in self.labels if self.status[label] == "experimental")

    def caution(self, concepts: ConceptSet) -> str | None:
        """A sentence for whoever asked, where some of the concepts are experimental; None where none is."""
        doubtful = [label for label in concepts.labels if self.status[label] == "experimental"]
        if not doubtful:
            return None
        named = ", ".join(f"{label!r} ({_score(self.scores[label])})" for label in doubtful)
        return f"experimental, tried without a promise: {named}"

    def query(self, concepts: ConceptSet) -> Vector:
        """`(query_size,)` float32: the sum of the vectors of the concepts, zeros for none.

        `inverted` is the caller's to heed: everything but X is the input minus the answer to X.

        Raises:
            KeyError: a label that is not in this vocabulary.
        """
        rows = {label: row for row, label in enumerate(self.labels)}
        query: Vector = self.vectors[[rows[label] for label in concepts.labels]].sum(axis=0, dtype=np.float32)
        return query


def _score(improvement_db: float | None) -> str:
    return "not measured" if improvement_db is None else f"{improvement_db:+.1f} dB on held-out recordings"


def _read_concepts(folder: Path) -> list[_Concept]:
    try:
        concepts = _CONCEPTS.validate_python(json.loads((folder / CONCEPTS_FILE).read_text(encoding="utf-8")))
    except OSError as error:
        raise BundleError(folder, CONCEPTS_FILE, f"cannot be read ({error.strerror})") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise BundleError(folder, CONCEPTS_FILE, f"is not JSON ({error})") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise BundleError(folder, CONCEPTS_FILE, f"{place}: {first['msg']}"[:300]) from error
    labels = [concept.label for concept in concepts]
    if not labels:
        raise BundleError(folder, CONCEPTS_FILE, "names no concept")
    if twice := sorted({label for label in labels if labels.count(label) > 1}):
        raise BundleError(folder, CONCEPTS_FILE, f"names {twice[0]!r} twice")
    return concepts


def _read_vectors(folder: Path, shape: tuple[int, int]) -> NDArray[np.float32]:
    try:
        vectors = np.load(folder / VECTORS_FILE, allow_pickle=False)
    except OSError as error:
        raise BundleError(folder, VECTORS_FILE, f"cannot be read ({error.strerror or error})") from error
    except (ValueError, EOFError) as error:
        raise BundleError(folder, VECTORS_FILE, f"is no array file ({error})") from error
    if not isinstance(vectors, np.ndarray) or vectors.dtype != np.float32 or vectors.shape != shape:
        got = f"{vectors.dtype} {vectors.shape}" if isinstance(vectors, np.ndarray) else type(vectors).__name__
        raise BundleError(folder, VECTORS_FILE, f"expected float32 {shape}, got {got}")
    if not np.isfinite(vectors).all():
        raise BundleError(folder, VECTORS_FILE, "holds values that are not finite")
    vectors.setflags(write=False)
    return vectors
