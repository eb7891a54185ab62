"""The hand-made word list: complete, without contradictions, and read as it is meant."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

import engine.lexicon
from engine.errors import UnknownPrompt
from engine.lexicon import BOUNDARY, Lexicon, fold, lexicon_for
from engine.phrase import understand

DATA = json.loads((Path(engine.lexicon.__file__).parent / "lexicon.json").read_text(encoding="utf-8"))
LEXICON = lexicon_for()


def test_size() -> None:
    assert len(LEXICON.concepts) == 66
    assert len(LEXICON.phrases) >= 9900
    per_concept = Counter(LEXICON.phrases.values())
    named = [label for label in LEXICON.concepts if label not in DATA["kinds"]]
    assert min(per_concept[label] for label in named) >= 15


def test_every_phrase_is_understood_as_its_concept_or_kind() -> None:
    wrong = []
    for phrase, name in LEXICON.phrases.items():
        meaning = LEXICON.meaning(name)
        concepts = understand(phrase, LEXICON.concepts)
        if set(concepts.labels) != set(meaning.scores) or concepts.inverted != meaning.inverted:
            wrong.append((phrase, name, concepts))
    assert not wrong


def test_every_phrase_can_be_taken_away() -> None:
    for phrase, name in LEXICON.phrases.items():
        meaning = LEXICON.meaning(name)
        concepts = understand(f"everything except the {phrase}", LEXICON.concepts)
        assert set(concepts.labels) == set(meaning.scores), phrase
        assert concepts.inverted != meaning.inverted, phrase


def test_no_phrase_stands_for_two_things() -> None:
    seen: dict[str, str] = {}
    for part in ("concepts", "kinds"):
        for name, ranks in DATA[part].items():
            for rank in ("sounds", "acts", "things", "agents"):
                for phrase in ranks.get(rank, ()):
                    assert seen.setdefault(phrase, f"{part} {name}") == f"{part} {name}", phrase
    for role, phrases in DATA["words"].items():
        for phrase in phrases:
            assert seen.setdefault(phrase, role) == role, phrase


def test_phrases_are_folded() -> None:
    # articles are dropped when the lexicon is read, everything else must be as `fold` leaves it
    for phrase in [*LEXICON.phrases, *(p for phrases in DATA["words"].values() for p in phrases)]:
        assert fold(phrase) == [word for word in phrase.split() if word not in ("a", "an", "the", "some")], phrase
        assert len(phrase.split()) <= engine.lexicon.LONGEST_PHRASE, phrase


def test_kinds_and_suggestions_name_concepts() -> None:
    labels = set(LEXICON.concepts)
    for kind in DATA["kinds"].values():
        assert set(kind.get("members", kind.get("everything_but"))) <= labels
    for row in DATA["neighbours"]:
        assert set(row["labels"]) <= labels
        assert len(row["labels"]) == 3
    assert set(DATA["contained"]) | set(DATA["contained"].values()) <= labels


def test_what_has_neighbours_is_refused() -> None:
    for row in DATA["neighbours"]:
        for word in row["words"]:
            assert LEXICON.nearest(word, LEXICON.concepts) == tuple(row["labels"])
            with pytest.raises(UnknownPrompt):
                understand(word, LEXICON.concepts)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The DOG's bark!", ["dog", "bark", BOUNDARY]),
        ("dog & cat + bird", ["dog", "and", "cat", "and", "bird"]),
        ("speech w/o music", ["speech", "without", "music"]),
        ("don’t", ["dont"]),
        ("hi-hat_loop", ["hi", "hat", "loop"]),
        ("dög;\ncat", ["dog", BOUNDARY, "cat"]),
        ("-dog !cat +bird", ["minus", "dog", "minus", "cat", "keep", "bird"]),
        ("dog - cat", ["dog", "minus", "cat"]),
        ("dog -- cat — bird – cow", ["dog", BOUNDARY, "cat", BOUNDARY, "bird", BOUNDARY, "cow"]),
        ("- dog\n- cat", ["dog", BOUNDARY, "cat"]),
        ("hi-hat 3 - 5 dog-", ["hi", "hat", "3", "5", "dog"]),
        ("dog/cat", ["dog", "or", "cat"]),
        ("the lower voice", ["low", "voice"]),
        ("lower the voice", ["lower", "voice"]),
        ("clean the voice", ["clean", "up", "voice"]),
        ("nobody talking", ["no", "person", "talking"]),
        ("a an the some", []),
        ("", []),
    ],
)
def test_fold(text: str, words: list[str]) -> None:
    assert fold(text) == words


@pytest.mark.parametrize(
    ("token", "text"), [("helicopters", "helicopters"), ("clarinettists", "clarinettist"), ("yodelled", "yodel")]
)
def test_inflected_words_are_read_as_their_base(token: str, text: str) -> None:
    word = LEXICON.read(token)
    assert word.text == text
    assert word.score == (1.0 if token == text else 0.95)


@pytest.mark.parametrize("token", ["xx", "q", "y" * 25, "zyzzyva", "1234", "railways1234"])
def test_words_that_are_not_ours(token: str) -> None:
    assert LEXICON.read(token).score == 0.0


def test_english_words_are_not_mended() -> None:
    plain = Lexicon(DATA, lambda word: False)
    assert plain.read("waiter").score > 0
    assert LEXICON.read("waiter").score == 0.0


def test_lexicon_is_made_once_for_a_vocabulary() -> None:
    assert lexicon_for(("speech",)) is lexicon_for(("rain", "siren"))
    assert lexicon_for(("speech", "kazoo")) is lexicon_for(("kazoo",))
    assert "kazoo" in lexicon_for(("kazoo",)).concepts
