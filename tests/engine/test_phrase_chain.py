"""Verbs and clauses put in one after the other; whole prompts are read in `test_phrase_reader`."""

from __future__ import annotations

import pytest

from engine.concepts import EVERYTHING, ConceptSet, Match
from engine.lexicon import lexicon_for
from engine.phrase_chain import Chain
from engine.phrase_words import Words

LEXICON = lexicon_for()


def kinds(*labels: str, inverted: bool = False) -> ConceptSet:
    return ConceptSet(tuple(Match(label, 1.0) for label in labels), inverted)


DOG, CAT, RAIN, SPEECH = kinds("dog bark"), kinds("cat"), kinds("rain"), kinds("speech")


def chain() -> Chain:
    return Chain(Words(LEXICON, []), lambda kind: LEXICON.meaning(kind).scores)


def test_clauses_are_kept_until_a_verb_removes() -> None:
    said = chain()
    said.add(DOG)
    said.turn("remove", "mute", "", 0)
    said.add(CAT)
    assert said.result() == DOG


def test_a_verb_behind_its_object_reaches_back_to_a_comma() -> None:
    said = chain()
    said.add(DOG)
    said.begins_group = True
    said.add(CAT)
    said.add(RAIN)
    said.turn("post_remove", "muted", "sound", 0)
    assert said.result() == DOG


def test_a_verb_behind_its_object_leaves_what_another_turns_up() -> None:
    said = chain()
    said.turn("keep", "turn up", "", 0)
    said.add(RAIN)
    said.add(DOG)
    said.turn("post_remove", "down", "sound", 0)
    assert said.result() == RAIN


@pytest.mark.parametrize(("wish", "again", "asked"), [("want", "want", CAT), ("keep", "keep", CAT),
                                                      ("want", "keep", kinds("dog bark", inverted=True))])  # fmt: skip
def test_a_wish_behind_a_denied_one_is_all_that_is_asked_for(wish: str, again: str, asked: ConceptSet) -> None:
    said = chain()
    said.turn("not", "dont", "", 0)
    said.turn("keep", wish, "not", 0)
    said.add(DOG)
    said.turn("keep", again, "", 0)
    said.add(CAT)
    assert said.result() == asked


def test_only_behind_the_last_of_several_keeps_that_one() -> None:
    said = chain()
    said.turn("remove", "mute", "", 0)
    said.add(DOG)
    said.begins_group = True
    said.add(SPEECH)
    said.turn("only", "only", "sound", 0)
    assert said.result() == SPEECH


def test_what_both_keeps_and_removes_is_told_by_its_object() -> None:
    for object_, asked in ((SPEECH, SPEECH), (RAIN, kinds("rain", inverted=True))):
        said = chain()
        said.turn("clean", "clean up", "", 0)
        said.add(object_)
        assert said.result() == asked


def test_a_minus_reaches_to_the_next_source() -> None:
    said = chain()
    said.turn("without", "minus", "", 0)
    assert said.signed
    said.add(RAIN)
    said.end_sign()
    said.add(DOG)
    assert not said.signed
    assert said.result() == kinds("rain", inverted=True)


def test_what_is_free_of_something_lacks_it() -> None:
    behind, before = chain(), chain()
    behind.free(RAIN, describes=True)
    behind.add(DOG)
    assert behind.result() == DOG
    before.free(RAIN, describes=False)
    assert before.result() == kinds("rain", inverted=True)


def test_except_turns_round_what_is_done_with_everything() -> None:
    said = chain()
    said.add_everything()
    said.turn("flip", "except", "everything", 0)
    said.add(DOG)
    assert said.result() == kinds("dog bark", inverted=True)
    assert chain().result() == EVERYTHING
