from __future__ import annotations

import pytest

from engine.concepts import ConceptSet, Match
from engine.lexicon import BOUNDARY, SOUND, Word, fold, lexicon_for
from engine.phrase_chain import Chain
from engine.phrase_clause import Clause
from engine.phrase_roles import Place
from engine.phrase_words import Words

LEXICON = lexicon_for()
DOG = ConceptSet((Match("dog bark", 1.0),))


def role(
    prompt: str, *, verb: tuple[str, str] = ("keep", ""), last: str = SOUND, last_word: str = "dog", named: bool = True
) -> str:
    """Role of the entry at ">" in a prompt; what stands before it in its clause, if anything, is a dog if it is
    `named`, and else nothing."""
    before, _, rest = prompt.partition(">")
    sounds = [(3, DOG)] if before and named else []
    tokens = fold(before) + fold(rest)
    words = [LEXICON.read(t) if t != BOUNDARY else Word(t, t, 1.0, t) for t in tokens]
    at = len(fold(before))
    found = LEXICON.find(words, at)
    assert found is not None
    entry, length, _ = found
    looked_at = Words(LEXICON, words)
    chain = Chain(looked_at, lambda kind: LEXICON.meaning(kind).scores)
    chain.verb, chain.verb_text = verb
    clause = Clause(sounds, last=last if before else "", last_word=last_word if before else "")
    return Place(looked_at, at + length, clause, chain).role(entry.role, words[at : at + length])


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        (">mute the dog", "remove"),
        ("the dog >mute", "post_remove"),
        ("make the dog >stop", "post_remove"),
        ("the dog >stops", "filler"),
        (">stop the dog", "remove"),
        (">stop muting the dog", "not"),
        (">quieter man", "harmless"),
        ("the man >quieter", "post_remove"),
        ("louder rain, >quieter man", "remove"),
        (">quieter man, louder rain", "remove"),
        ("dog >quieter rain louder", "post_remove"),
        ("the dog >off", "post_remove"),
        ("the siren >down the street", "context"),
        ("the drums >out", "post_remove"),
        ("a siren >out on the street", "filler"),
        ("the dog >on, rain off", "post_keep"),
        ("a dog >on the street", "context"),
        ("voice >up music down", "post_keep"),
        ("the voice >up music", "filler"),
        ("the siren is what I >want removed", "filler"),
        ("the phone >keeps ringing", "filler"),
        ("the phone, >keep singing", "keep"),
        ("the music >drowns out the speech", "post_remove"),
        (">drown out the speech", "remove"),
        ("music >free speech", "free"),
    ],
)
def test_the_place_decides(prompt: str, expected: str) -> None:
    assert role(prompt) == expected


def test_like_is_a_verb_behind_whoever_likes() -> None:
    assert role("I >like the piano", named=False, last="filler", last_word="i") == "keep"
    assert role("it sounds >like the piano", named=False, last="filler", last_word="sounds") == "filler"


def test_more_keeps_behind_what_is_removed() -> None:
    assert role("dog >more speech", verb=("remove", "less")) == "keep"
    assert role("dog >more speech", verb=("keep", "keep")) == "filler"


def test_only_behind_a_verb_that_removes_belongs_to_its_object() -> None:
    assert role("mute >only the dog", named=False, last="remove", last_word="mute") == "filler"
    assert role("dog, >only the dog") == "only"


def test_everything_is_no_participle() -> None:
    assert role("everything >off", named=False, last="everything", last_word="everything") == "post_remove"
    assert role("rain coming >down", last="doing", last_word="coming") == "filler"


def test_to_prefers() -> None:
    assert role("the rain >to the music", verb=("keep", "prefer")) == "without"
    assert role("the rain >to the music", verb=("keep", "keep")) == "filler"


def test_from_what_something_is_kept() -> None:
    assert role("the dog >from barking", verb=("keep", "keep")) == "post_remove"
    assert role("the dog >from the street", verb=("keep", "keep")) == "context"
