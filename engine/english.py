"""What is known of English words: whether a word is one, and whether it only describes another.

An English word is itself, not a slip of the pen for a sound ("rein", "cart", "waiter"). What a word does is told by its
relatives: "noisy" describes, because there is "noisier"; "hockey" does not, and "galaxy", with "galaxies", is a thing.

The words come with `symspellpy` (82,834 of them, each with how often it was counted in books), which is installed for
this file alone and never imported: nothing is read until the first word that may be a slip or is not known.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from engine.spelling import bases_of

_PACKAGE, _FILE = "symspellpy", "frequency_dictionary_en_82_765.txt"
_RARE = 200_000
"""Times counted, of 10^12: one word in five million. A word that hardly anybody writes ("truk") is likelier a slip."""

_COUNTABLE = 0.15
"""Plurals for each singular from which on a word is a thing ("forests") and no quality ("originals")."""


@cache
def english_words() -> Mapping[str, int]:
    """Every word of the list, in lower case and without apostrophes → how often it was counted; read once.

    Raises:
        FileNotFoundError: the package is not installed, or came without its list.
    """
    package = find_spec(_PACKAGE)
    if package is None or not package.submodule_search_locations:
        raise FileNotFoundError(f"the word list of {_PACKAGE} is not installed; `pip install {_PACKAGE}` brings it")
    text = (Path(package.submodule_search_locations[0]) / _FILE).read_text(encoding="utf-8-sig")
    counted = (line.partition(" ") for line in text.splitlines())
    return {word.replace("'", ""): int(count) for word, _, count in counted}


def is_english(word: str) -> bool:
    """Whether `word` (lower case, no punctuation) is in the list and not rare; the first call reads it."""
    return english_words().get(word, 0) >= _RARE


def is_quality(word: str) -> bool:
    """Whether `word` is an adjective or an adverb, told by its ending and its relatives: "scruffy", "oddly"."""
    words = english_words()
    if len(word) < 5:
        return False
    if word.endswith(("ly", "est")) and any(base in words for base in _adjectives(word)):
        return True
    if word not in words or _plurals(word) > _COUNTABLE:
        return False
    if word.endswith("y"):
        doubled = word[-3] == word[-2] and not {word[:-1], word[:-2]}.isdisjoint(words)  # "scruffy", "sunny"
        return doubled or any(word[:-1] + relative in words for relative in ("ier", "iest", "ily", "iness"))
    if word.endswith(("ic", "al")):
        return _plurals(word) == 0 or any(word + relative in words for relative in ("ly", "ally"))
    return word.endswith(("ish", "ful", "ous", "less", "able", "ible", "ive"))


def is_participle(word: str) -> bool:
    """Whether `word` is a form of a verb that may stand beside a sound: "scurrying", "parked", but not "building"."""
    words = english_words()
    if len(word) < 6 or not word.endswith(("ing", "ed")) or word not in words or _plurals(word) > _COUNTABLE:
        return False
    return any(base in words for base in bases_of(word.removeprefix("un")))


def _adjectives(word: str) -> tuple[str, ...]:
    """What an adverb in -ly or a superlative may come from: "oddly", "gently", "happily", "basically", "loudest"."""
    if word.endswith("est"):
        return (word[:-2] + "r", word.removesuffix("iest") + "y")
    stem = word.removesuffix("ly")
    return stem, stem + "le", stem.removesuffix("i") + "y", stem.removesuffix("al")


def _plurals(word: str) -> float:
    """How often a word of the list is written in the plural, for each time in the singular."""
    words = english_words()
    plural = word[:-1] + "ies" if word.endswith("y") and word[-2:-1] not in "aeiou" else word + "s"
    return words.get(plural, 0) / words[word]
