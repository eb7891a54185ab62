"""`benchmarks.prompts`: the blind phrases stay understood, and the counting is right."""

from __future__ import annotations

from benchmarks.prompts import PHRASES, Phrase, floor, heard, read, shares
from engine.lexicon import lexicon_for

KNOWN = lexicon_for().concepts


def test_blind_phrases_are_understood_and_strangers_refused() -> None:
    phrases = read(PHRASES, KNOWN)
    found = shares(phrases, [heard(one.prompt, KNOWN) for one in phrases])
    assert (found["known"], found["unknown"]) == (210, 90)
    assert found["known_understood_exactly"] >= 99.0
    assert found["unknown_refused"] >= 97.0
    bare = shares(phrases, [floor(one.prompt, KNOWN) for one in phrases])
    assert bare["known_understood_exactly"] < 50.0


def test_shares() -> None:
    dog, cat = (frozenset(("dog bark",)), False), (frozenset(("cat",)), True)
    phrases = [Phrase("a", dog), Phrase("b", cat), Phrase("c", dog), Phrase("d", None), Phrase("e", None)]
    assert shares(phrases, [dog, (cat[0], False), None, None, dog]) == {
        "known_understood_exactly": 33.3, "known_refused": 33.3, "unknown_refused": 50.0, "known": 3, "unknown": 2
    }  # fmt: skip


def test_labels_for_several_are_spread_and_complements_turned() -> None:
    assert heard("take out the background noise", KNOWN) == heard("voices", KNOWN)
    (noise,) = [one for one in read(PHRASES, KNOWN) if one.prompt == "take out the background noise"]
    assert noise.expected == heard("voices", KNOWN)
