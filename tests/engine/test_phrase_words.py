from __future__ import annotations

import pytest

from engine.lexicon import BOUNDARY, SOUND, Word, fold, lexicon_for
from engine.phrase_words import BESIDE, Words

LEXICON = lexicon_for()
BOUNDARY_WORD = Word(BOUNDARY, BOUNDARY, 1.0, BOUNDARY)


def words(prompt: str) -> Words:
    return Words(LEXICON, [LEXICON.read(token) if token != BOUNDARY else BOUNDARY_WORD for token in fold(prompt)])


def test_ahead_passes_what_it_is_told_to_and_no_end_of_a_clause() -> None:
    prompt = words("mute that shiny dog, please")
    assert prompt.ahead(1) == "harmless"
    assert prompt.ahead(1, BESIDE) == SOUND
    assert prompt.ahead(1, ()) == "filler"
    assert prompt.ahead(5) == prompt.ahead(99) == BOUNDARY
    assert words("dog, rain").ahead(1) == BOUNDARY
    assert words("xyzzy dog").ahead(0) == ""


def test_there_is_no_word_before_the_first_or_behind_the_last() -> None:
    prompt = words("the dog")
    assert (prompt.text(-1), prompt.text(0), prompt.text(1)) == ("", "dog", "")
    assert not prompt.acts(1)
    assert words("a dog barking").acts(1)


@pytest.mark.parametrize(
    ("prompt", "ends"), [("dog muted", True), ("dog, mute!", True), ("mute dog", False), ("", False)]
)
def test_a_prompt_may_end_with_a_verb(prompt: str, ends: bool) -> None:
    assert words(prompt).ends_with_verb is ends


@pytest.mark.parametrize(("prompt", "at"), [("louder dog", 0), ("rain, more of the dog", 2), ("more loud dogs", 0),
                                            ("dog louder", None), ("more", None), ("dog", None)])  # fmt: skip
def test_a_comparative_turns_up_the_sound_behind_it(prompt: str, at: int | None) -> None:
    assert words(prompt).raised_from == at


def test_a_comparative_behind_a_sound_raises_too_but_not_before_a_conjunction() -> None:
    assert words("dog louder, cat").raises_any
    assert not words("louder and quieter dogs").raises_any


def test_a_list_of_answers_is_no_correction() -> None:
    assert words("the man, no, the woman").answers_once
    assert not words("music: no, speech: yes").answers_once
    assert not words("music: no, rain: remove").answers_once


def test_him_and_her_refer_back_only_at_the_end_of_a_clause() -> None:
    assert words("mute him, please").refers_back(1)
    assert not words("mute her dog").refers_back(1)


def test_places_and_courtesy() -> None:
    assert words("in the kitchen").is_place(1)
    assert words("down the street").is_place(1)
    assert not words("the dog").is_place(0)
    assert words("mute, please").ends(1)
    assert not words("mute, dog").ends(1)
    assert words("dog up rain down").goes_down(2)
    assert not words("down dog up").goes_down(1)
