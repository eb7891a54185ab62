"""The concepts of a bundle and the vectors that ask its model for them.

`concepts.json` lists `{"label", "status", "si_sdr_improvement_db", "held_out_recordings"}` for each row of
`concept_vectors.npy`. A row with `"members"` (labels of other rows) is an umbrella: it has a vector of its own for all
of them at once, which is asked with wherever all of them are asked for; several words without one are asked with the
sum of their vectors. The graph sees only the query vector: `Vocabulary.query` says how another text encoder plugs in.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from engine.concepts import ConceptSet, Match
from engine.errors import BadInput, BundleError
from engine.frames import Vector
from engine.lexicon import BOUNDARY, LONGEST_PHRASE, fold
from engine.phrase import understand
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
    members: tuple[str, ...] = ()

    @property
    def others(self) -> frozenset[str]:
        """The members but for the umbrella itself, which may be one: "music" is also music that nobody named closer."""
        return frozenset(self.members) - {self.label}


_CONCEPTS = TypeAdapter(list[_Concept])


@dataclass(frozen=True, slots=True)
class Told:
    """A concept as the caller is told of it: `score`, how sure the reading is; `status`, what to expect of it."""

    label: str
    score: float
    status: Status


@dataclass(frozen=True, slots=True)
class Understood:
    """The answer to a prompt: what the model is asked for, or with `inverted` everything but that."""

    matches: tuple[Told, ...]
    inverted: bool


@dataclass(frozen=True, slots=True, eq=False)
class Vocabulary:
    """What a model can be asked for.

    Attributes:
        labels: the concepts, in the order of the vectors.
        vectors: `(n, query_size)` float32.
        status: label → "advertised", or "experimental" for a concept that scores too low to promise.
        scores: label → mean SI-SDR improvement in dB on held-out recordings, None where it was not measured.
        members: label of an umbrella → the other concepts that its vector asks for at once.
    """

    labels: tuple[str, ...]
    vectors: NDArray[np.float32]
    status: dict[str, Status]
    scores: dict[str, float | None]
    members: dict[str, frozenset[str]] = field(default_factory=dict)

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
            members={concept.label: members for concept in concepts if (members := concept.others)},
        )

    def read(self, prompt: str) -> ConceptSet:
        """What a phrase asks for; see `phrase.understand`.

        Raises:
            BadInput, UnknownPrompt: as there.
        """
        return understand(prompt, self.labels)

    def condition(self, concepts: ConceptSet) -> Vector | str:
        """What a program's slot is told to listen for these concepts (`Program.condition`)."""
        return self.query(concepts)

    @property
    def parts_add_up(self) -> bool:
        """Whether several targets are taken to share no sound, so that together they are the sum of their estimates.

        Where the concepts are known, it is known what they share, and the model is asked for their union instead.
        """
        return False

    @property
    def tells_activity(self) -> bool:
        """Whether the model says hop by hop how probably a target sounds, rather than only how loud its estimate is."""
        return True

    @property
    def sees(self) -> bool:
        """Whether a target may have a visual prompt."""
        return False

    @property
    def example(self) -> str:
        """A prompt that is understood, for whoever needs one."""
        return self.labels[0]

    @property
    def advertised(self) -> tuple[str, ...]:
        """Labels that the model is offered with."""
        return tuple(label for label in self.labels if self.status[label] == "advertised")

    @property
    def experimental(self) -> tuple[str, ...]:
        """Labels that are understood and tried, without a promise."""
        return tuple(label for label in self.labels if self.status[label] == "experimental")

    def understood(self, concepts: ConceptSet) -> Understood:
        """The answer to whoever asked for `concepts`; see `asked`."""
        told = (Told(match.label, match.score, self.status[match.label]) for match in self.asked(concepts))
        return Understood(tuple(told), concepts.inverted)

    def caution(self, concepts: ConceptSet) -> str | None:
        """A sentence for whoever asked, where some of the concepts are experimental; None where none is."""
        doubtful = [told.label for told in self.understood(concepts).matches if told.status == "experimental"]
        if not doubtful:
            return None
        named = ", ".join(f"{label!r} ({_score(self.scores[label])})" for label in doubtful)
        return f"experimental, tried without a promise: {named}"

    def asked(self, concepts: ConceptSet) -> tuple[Match, ...]:
        """The rows that the model is asked with: an umbrella instead of its members where all of them are wanted.

        The widest umbrella goes first. One of which only some members are wanted ("music, not the drums") is left out.
        """
        best = {match.label: match.score for match in concepts.matches}
        for label, members in sorted(self.members.items(), key=lambda row: (-len(row[1]), row[0])):
            wanted = members.intersection(best)
            if wanted == members:
                score = best.get(label, min(best[member] for member in wanted))
                best = {name: best[name] for name in best if name not in members} | {label: score}
            elif wanted:
                best.pop(label, None)
        return tuple(Match(label, score) for label, score in best.items())

    def query(self, concepts: ConceptSet) -> Vector:
        """`(query_size,)` float32: the sum of the vectors of what is `asked`, zeros for none.

        `inverted` is the caller's to heed: everything but X is the input minus the answer to X.

        This vector is all that the graph sees of a prompt, and so the place where another text encoder plugs in. A
        query has no unit; what counts is that it lies where the trained `vectors` and their sums of two and three lie,
        in direction and in length (`np.linalg.norm(vectors, axis=1)`). So an encoder of another space (CLAP, a sentence
        model) needs one linear map of its own, fitted from its embeddings of our labels to our vectors. What it gives
        for a phrase comes in as a concept of that name:

            bundle = bundle.with_concepts({"bagpipes": encoder("bagpipes")})
            Session(bundle, SessionConfig(48_000, 1, (Target("a", "everything but the bagpipes"),), False))

        Raises:
            KeyError: a label that is not in this vocabulary.
        """
        rows = {label: row for row, label in enumerate(self.labels)}
        wanted = [rows[match.label] for match in self.asked(concepts)]
        query: Vector = self.vectors[wanted].sum(axis=0, dtype=np.float32)
        return query

    def with_concepts(self, vectors: Mapping[str, ArrayLike]) -> Vocabulary:
        """This vocabulary with further concepts, or with other vectors for its own: experimental, not measured.

        Args:
            vectors: label → `(query_size,)` finite numbers, see `query`. The label is the phrase that asks for it: one
                to seven words in lower case without marks. It goes before whatever the lexicon knows of these words.

        Raises:
            BadInput: a label or a vector; field `concepts.LABEL`.
        """
        made = {label: self._checked(label, vector) for label, vector in vectors.items()}
        kept = [row for row, label in enumerate(self.labels) if label not in made]
        return replace(
            self,
            labels=(*(self.labels[row] for row in kept), *made),
            vectors=np.concatenate([self.vectors[kept], np.array(list(made.values()), np.float32)])
            if made
            else self.vectors,
            status=self.status | dict.fromkeys(made, "experimental"),
            scores=self.scores | dict.fromkeys(made),
            members={label: members for label, members in self.members.items() if label not in made},
        )

    def _checked(self, label: str, vector: ArrayLike) -> Vector:
        words = fold(label)
        if not 1 <= len(words) <= LONGEST_PHRASE or BOUNDARY in words or label != " ".join(words):
            expected = f"1 to {LONGEST_PHRASE} words in lower case, no articles or marks"
            raise BadInput(f"concepts.{label}", expected, label)
        query = np.asarray(vector, np.float32)
        if query.shape != self.vectors.shape[1:] or not np.isfinite(query).all():
            raise BadInput(
                f"concepts.{label}", f"{self.vectors.shape[1]} finite numbers", f"{query.shape} {query.ravel()[:3]}"
            )
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
    if missing := sorted({member for concept in concepts for member in concept.members} - set(labels)):
        raise BundleError(folder, CONCEPTS_FILE, f"an umbrella has the member {missing[0]!r}, which is no label")
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
