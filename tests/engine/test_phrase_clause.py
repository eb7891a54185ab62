from __future__ import annotations

from engine.concepts import ConceptSet, Match
from engine.phrase_clause import Clause


def kinds(*labels: str, inverted: bool = False) -> ConceptSet:
    return ConceptSet(tuple(Match(label, 1.0) for label in labels), inverted)


def test_a_narrower_concept_beats_a_wider_one_that_holds_it() -> None:
    music, piano, dog = kinds("piano", "guitar"), kinds("piano"), kinds("dog bark")
    assert Clause([(3, piano), (3, music)]).meaning() == piano
    assert set(Clause([(3, music), (3, dog)]).meaning().labels) == {"piano", "guitar", "dog bark"}


def test_a_sound_beats_an_act_and_an_agent() -> None:
    whistle, dog, man = kinds("whistle"), kinds("dog bark"), kinds("man speaking")
    assert Clause([(0, man), (2, whistle), (3, dog)]).meaning() == dog
    assert Clause([(0, man), (2, whistle)]).meaning() == whistle
    assert Clause([(0, kinds("speech")), (2, man)]).meaning() == man


def test_an_agent_does_not_narrow_an_act_of_several_kinds() -> None:
    """ "Kids yelling" are no talking kids."""
    yelling, kids = kinds("scream", "crowd"), kinds("scream")
    assert set(Clause([(2, yelling), (0, kids)]).meaning().labels) == {"scream", "crowd"}
    assert Clause([(3, yelling), (0, kids)]).meaning() == kids


def test_what_leaves_things_out_is_wider_than_what_it_leaves_in() -> None:
    no_music, dog = kinds("music", inverted=True), kinds("dog bark")
    assert Clause([(3, no_music), (3, dog)]).meaning() == dog


def test_saying_a_word_often_changes_nothing() -> None:
    assert Clause([(3, kinds("rain"))] * 300).meaning() == kinds("rain")
