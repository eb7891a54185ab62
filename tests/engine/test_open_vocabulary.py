"""`engine.open_vocabulary`: any words are a prompt, nothing is promised."""

from __future__ import annotations

import numpy as np
import pytest

from engine.errors import BadInput
from engine.open_vocabulary import OpenVocabulary

WORDS = OpenVocabulary()


@pytest.mark.parametrize(
    ("prompt", "label", "inverted"),
    [
        ("Man  Speaking\n", "man speaking", False),
        ("glass smashing on tarmac", "glass smashing on tarmac", False),
        ("everything but the dog", "dog", True),
        ("All except for a siren", "a siren", True),
        ("everything", "everything", False),
        ("der Regen", "der regen", False),
    ],
)
def test_the_phrase_is_the_concept(prompt: str, label: str, inverted: bool) -> None:
    concepts = WORDS.read(prompt)
    assert (concepts.labels, concepts.inverted) == ((label,), inverted)
    assert WORDS.condition(concepts) == label
    told = WORDS.understood(concepts)
    assert [(one.label, one.score, one.status) for one in told.matches] == [(label, 1.0, "experimental")]
    assert told.inverted is inverted
    assert WORDS.caution(concepts) is None


@pytest.mark.parametrize("prompt", ["", " \n", "x" * 2001])
def test_what_is_no_prompt(prompt: str) -> None:
    with pytest.raises(BadInput) as caught:
        WORDS.read(prompt)
    assert caught.value.field == "prompt"


def test_nothing_is_listed_and_no_vectors_fit() -> None:
    assert (WORDS.labels, WORDS.advertised, WORDS.experimental, WORDS.scores) == ((), (), (), {})
    assert WORDS.read(WORDS.example).labels == (WORDS.example,)
    assert WORDS.parts_add_up
    with pytest.raises(BadInput):
        WORDS.with_concepts({"dog": np.zeros(4)})
    with pytest.raises(BadInput):
        WORDS.query(WORDS.read("dog"))
