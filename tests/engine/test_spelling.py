"""`engine.spelling`: inflected forms and slips of the pen."""

from __future__ import annotations

from collections import Counter

import pytest

from engine.spelling import Speller, base_forms, bases_of

SPELLER = Speller(
    Counter({"bark": 5, "bird": 9}),
    ["dog", "bark", "bird", "violin", "laughter", "whistle", "helicopter", "siren", "cat"],
)


@pytest.mark.parametrize(
    ("word", "base"),
    [
        ("dogs", "dog"), ("churches", "church"), ("puppies", "puppy"), ("barking", "bark"), ("driving", "drive"),
        ("chugged", "chug"), ("cried", "cry"), ("typed", "type"), ("seeing", "see"),
    ],
)  # fmt: skip
def test_inflected_words_have_their_base(word: str, base: str) -> None:
    assert base in list(bases_of(word))


@pytest.mark.parametrize(("word", "no_base"), [("caring", "car"), ("bus", "bu"), ("typeing", "type"), ("ring", "r")])
def test_what_only_looks_inflected_has_none(word: str, no_base: str) -> None:
    assert no_base not in list(bases_of(word))


def test_all_forms_of_a_word_share_one_base() -> None:
    bases = base_forms({"bark", "barking", "barks", "keys"})
    assert bases == {"bark": "bark", "barks": "bark", "barking": "bark", "keys": "keys", "key": "keys"}


@pytest.mark.parametrize(
    ("slip", "word", "slips"),
    [
        ("brid", "bird", 1), ("dgo", "dog", 1), ("dogg", "dog", 1), ("sirn", "siren", 1), ("isren", "siren", 1),
        ("hellicoptor", "helicopter", 2), ("laffter", "laughter", 3), ("vilon", "violin", 2), ("wisthle", "whistle", 2),
    ],
)  # fmt: skip
def test_slips(slip: str, word: str, slips: int) -> None:
    assert SPELLER.mended(slip) == (word, slips)


@pytest.mark.parametrize("token", ["", "d", "dg", "fog", "cap", "harp", "zebra", "laugh", "bork", "burd", "q" * 30])
def test_what_is_not_near_is_not_mended(token: str) -> None:
    assert SPELLER.mended(token) is None


def test_of_two_words_equally_near_the_more_frequent_is_meant() -> None:
    assert Speller(Counter({"bark": 5, "bird": 9}), ["bark", "bird"]).mended("bird") == ("bird", 0)
    assert Speller(Counter({"chest": 1, "chess": 2}), ["chest", "chess"]).mended("chesk") == ("chess", 1)
