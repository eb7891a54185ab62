"""Words in other forms, and words misspelt: which word of a list is meant."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from functools import cached_property

from rapidfuzz import process
from rapidfuzz.distance import OSA

_ENDINGS = (
    ("ies", ("y",)), ("es", ("",)), ("s", ("",)), ("ing", ("", "e")), ("ied", ("y",)), ("ed", ("", "e")),
)  # fmt: skip
_DOUBLES = re.compile("^[^aeiou]*[aeiouy][^aeiouwxy]$")
_TWICE = re.compile(r"(.)\1")
_SOUNDS = (
    ("^kn", "n"), ("^wr", "r"), ("^wh", "w"), ("ph", "f"), ("gh(?=t|$)", "f"), ("[sc]h", "x"), ("c(?=[eiy])", "s"),
    ("[ckq]+", "k"), ("z", "s"), ("dg", "j"),
)  # fmt: skip
"""Spellings that sound alike, by the rules of thumb that phonetic keys such as Soundex and Metaphone share."""


def bases_of(word: str) -> Iterator[str]:
    """Forms that an inflected `word` may come from: plurals, -ing, -ed."""
    for ending, replacements in _ENDINGS:
        stem = word.removesuffix(ending)
        if stem == word or len(stem) < 2 or not re.search("[aeiouy]", stem + replacements[0]):
            continue
        if ending == "es" and not re.search("(s|x|z|ch|sh|o)$", stem):
            continue
        if ending == "s" and stem.endswith(("s", "u", "i")):
            continue
        if ending == "ing" and stem.endswith("e") and not stem.endswith("ee"):
            continue  # "typeing" is a slip: the e would have gone
        if ending in ("ing", "ed") and _DOUBLES.search(stem):
            replacements = ("e",)  # "caring" is no form of "car": that would have doubled its last letter
        yield from (stem + replacement for replacement in replacements if len(stem + replacement) >= 3)
        if ending in ("ing", "ed") and len(stem) > 3 and stem[-1] == stem[-2]:
            yield stem[:-1]


def base_forms(words: set[str]) -> dict[str, str]:
    """Each word, and the singular of each, → one form for all that come from another."""
    bases: dict[str, str] = {}
    for word in sorted(words, key=lambda word: (len(word), word)):
        bases[word] = next((bases[base] for base in bases_of(word) if base in words), word)
    for word in sorted(words):
        if word.endswith("s"):
            for base in bases_of(word):
                bases.setdefault(base, bases[word])
    return bases


class Speller:
    """Finds the word of a list that a misspelt one was meant to be.

    Args:
        uses: word → how often it occurs; the more frequent of two is the likelier.
        words: the list.
    """

    def __init__(self, uses: Mapping[str, int], words: Collection[str]) -> None:
        self._uses, self._words = uses, sorted(words)
        self._by_letter: dict[str, list[str]] = {}
        for word in self._words:
            if len(word) >= 3:
                self._by_letter.setdefault(word[0], []).append(word)

    def mended(self, token: str) -> tuple[str, int] | None:
        """The word that is meant by a misspelt one, and how many slips that is; None where nothing is near.

        The nearest by edits and swaps: one in up to 7 letters (in 3, a swap only; in 4, no wrong letter: another word,
        foreign or not, is always near), two in longer words.

        The first letter must be right, or swapped with the second: slips there are rare, and rhymes are many. Of two
        words equally near the one in more phrases is meant. Where none is so near, one that sounds alike is taken.
        """
        if not 3 <= len(token) <= 24:
            return None
        allowed = 1 if len(token) < 8 else 2
        single = _TWICE.sub(r"\1", token)  # "dogg"
        words = [
            word for word in self._by_letter.get(token[0], []) if len(word) > 3 or len(token) == 3 or word == single
        ]
        words += [word for word in self._by_letter.get(token[1], []) if word[:2] == token[1::-1]]
        near = process.extract(token, words, scorer=OSA.distance, score_cutoff=allowed, limit=None)
        if len(token) == 3:
            near = [found for found in near if sorted(found[0]) == sorted(token)]
        elif len(token) == 4:
            near = [found for found in near if len(found[0]) != 4 or sorted(found[0]) == sorted(token)]
        near = near or self._sounding_like(token)
        if not near:
            return None
        word, slips, _ = min(near, key=lambda found: (found[1], -self._uses[found[0]]))
        return word, int(slips)

    def _sounding_like(self, token: str) -> list[tuple[str, int, int]]:
        """Words with the same consonants and at most three slips ("laffter")."""
        key = _consonants(token)
        if len(token) < 5 or len(key) < 3:
            return []
        return process.extract(token, self._by_sound.get(key, []), scorer=OSA.distance, score_cutoff=3, limit=None)

    @cached_property
    def _by_sound(self) -> Mapping[str, list[str]]:
        words: dict[str, list[str]] = {}
        for word in self._words:
            if len(word) >= 5:
                words.setdefault(_consonants(word), []).append(word)
        return words


def _consonants(word: str) -> str:
    """How a word sounds without its vowels, doubled letters and silent ones: "laughter" and "laffter" are both lftr."""
    for spelling, sound in _SOUNDS:
        word = re.sub(spelling, sound, word)
    return re.sub(r"(.)\1+", r"\1", word[:1] + re.sub("[aeiouyhw]", "", word[1:]))
