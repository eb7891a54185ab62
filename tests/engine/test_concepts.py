"""The algebra of concept sets against Python's sets, over every pair in a small world.

The world has four sounds: a man's speech, a woman's speech, a dog, rain. "speech" holds the first two.
"""

from __future__ import annotations

from itertools import chain, combinations

import pytest

from engine.concepts import ConceptSet, Match, minus, union_of

SOUNDS = {
    "speech": frozenset(("man", "woman")),
    "man speaking": frozenset(("man",)),
    "woman speaking": frozenset(("woman",)),
    "dog bark": frozenset(("dog",)),
    "rain": frozenset(("rain",)),
}
WORLD = frozenset(("man", "woman", "dog", "rain", "everything else there is"))

SETS = [
    ConceptSet(tuple(Match(label, 1.0) for label in labels), inverted)
    for labels in chain.from_iterable(combinations(SOUNDS, size) for size in range(len(SOUNDS) + 1))
    for inverted in (False, True)
]


def sounds(concepts: ConceptSet) -> frozenset[str]:
    """What a set stands for."""
    named = frozenset().union(*(SOUNDS[label] for label in concepts.labels))
    return WORLD - named if concepts.inverted else named


def test_union_is_the_union() -> None:
    for one in SETS:
        for other in SETS:
            assert sounds(union_of((one, other))) == sounds(one) | sounds(other), (one, other)


def test_difference_is_the_difference() -> None:
    for one in SETS:
        for other in SETS:
            assert sounds(minus(one, other)) == sounds(one) - sounds(other), (one, other)


def test_union_of_three_in_any_order() -> None:
    some = SETS[::5]
    for one in some:
        for other in some:
            for third in some:
                expected = sounds(one) | sounds(other) | sounds(third)
                assert sounds(union_of((one, other, third))) == expected
                assert sounds(union_of((third, one, other))) == expected


def test_no_label_twice_and_none_beside_what_contains_it() -> None:
    for one in SETS:
        for other in SETS:
            labels = union_of((one, other)).labels
            assert len(set(labels)) == len(labels)
            assert "speech" not in labels or not {"man speaking", "woman speaking"} & set(labels)


def test_union_of_none_is_empty() -> None:
    assert union_of(()) == ConceptSet(())


def test_everything() -> None:
    speech = ConceptSet((Match("speech", 1.0),))
    rest = ConceptSet((Match("speech", 1.0),), inverted=True)
    assert union_of((speech, rest)) == ConceptSet((), inverted=True)


def test_better_score_holds() -> None:
    sure, unsure = ConceptSet((Match("rain", 1.0),)), ConceptSet((Match("rain", 0.8), Match("dog bark", 0.8)))
    for order in ((sure, unsure), (unsure, sure)):
        assert {m.label: m.score for m in union_of(order).matches} == {"rain": 1.0, "dog bark": 0.8}


@pytest.mark.parametrize("inverted", [False, True])
def test_one_set_is_left_as_it_is(inverted: bool) -> None:
    concepts = ConceptSet((Match("rain", 0.9), Match("dog bark", 0.5)), inverted)
    assert union_of((concepts,)) == concepts
