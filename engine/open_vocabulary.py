"""The vocabulary of a model that reads any words: nothing is listed, nothing is unknown, nothing was measured."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from engine.concepts import ConceptSet, Match
from engine.errors import BadInput
from engine.frames import Vector
from engine.phrase import LONGEST_PROMPT
from engine.vocabulary import Told, Understood, Vocabulary

_EVERYTHING_BUT = re.compile(r"^(?:everything|all)\s+(?:but|except(?:\s+for)?|apart\s+from)\s+(?:the\s+)?(.+)$")


class OpenVocabulary(Vocabulary):
    """See the module. A concept's label is the phrase itself, in lower case, as the model was trained.

    Only "everything but X" is taken apart: the model answers to X, and the rest is what is left of the input.

    Args:
        sees: whether the model takes visual prompts.
        hears: whether it can tell where a phrase sounds.
    """

    def __init__(self, sees: bool = False, hears: bool = False) -> None:
        super().__init__((), np.zeros((0, 0), np.float32), {}, {})
        object.__setattr__(self, "_sees", sees)  # the parent is frozen
        object.__setattr__(self, "_hears", hears)

    @property
    def tells_activity(self) -> bool:
        """See the class."""
        return bool(getattr(self, "_hears", False))

    @property
    def sees(self) -> bool:
        """See the class."""
        return bool(getattr(self, "_sees", False))

    def read(self, prompt: str) -> ConceptSet:
        """The phrase as its own and only concept.

        Raises:
            BadInput: field `prompt`: empty, or longer than 2000 characters.
        """
        words = " ".join(prompt.lower().split())
        if not words:
            raise BadInput("prompt", "words that name a sound", prompt)
        if len(prompt) > LONGEST_PROMPT:
            raise BadInput("prompt", f"at most {LONGEST_PROMPT} characters", f"{len(prompt)} characters")
        rest = _EVERYTHING_BUT.match(words)
        return ConceptSet((Match(rest[1] if rest else words, 1.0),), inverted=rest is not None)

    @property
    def example(self) -> str:
        """A prompt of the kind that such models are trained with."""
        return "man speaking"

    def condition(self, concepts: ConceptSet) -> str:
        """The phrase."""
        return " and ".join(concepts.labels)

    @property
    def parts_add_up(self) -> bool:
        """See `Vocabulary`: nobody knows what two phrases share."""
        return True

    def understood(self, concepts: ConceptSet) -> Understood:
        """The phrase itself, without a promise."""
        return Understood(tuple(Told(match.label, match.score, "experimental") for match in concepts.matches),
                          concepts.inverted)  # fmt: skip

    def caution(self, concepts: ConceptSet) -> str | None:
        """None: that nothing is promised holds for every phrase."""
        return None

    def query(self, concepts: ConceptSet) -> Vector:
        """No vectors here.

        Raises:
            BadInput: always.
        """
        raise BadInput("model", "a model that is asked with vectors", "a model that reads words")

    def with_concepts(self, vectors: Mapping[str, ArrayLike]) -> Vocabulary:
        """No vectors here.

        Raises:
            BadInput: always.
        """
        raise BadInput("model", "a model that is asked with vectors", "a model that reads words")
