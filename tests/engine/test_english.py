"""The list of English words: there, whole, read late, and what the lexicon needs of it."""

from __future__ import annotations

import subprocess
import sys

import pytest

import engine.english
from engine.english import english_words, is_english, is_participle, is_quality


def test_list_is_whole() -> None:
    words = english_words()
    assert len(words) > 40_000
    assert all(word and " " not in word for word in words)
    assert english_words() is words


@pytest.mark.parametrize("word", ["rein", "cart", "waiter", "colour", "color", "the"])
def test_words(word: str) -> None:
    assert is_english(word)


@pytest.mark.parametrize("word", ["speach", "truk", "helecopter", "sirn", "vaccum", "thuner", "", "ﬁ"])
def test_slips_are_no_words(word: str) -> None:
    assert not is_english(word)


@pytest.mark.parametrize(
    "word",
    ["clumsy", "scruffy", "noisiest", "loudest", "oddly", "gently", "happily", "basically", "colossal", "musical",
     "original", "honest", "famous", "childish", "adorable", "massive", "coastal"],
)  # fmt: skip
def test_qualities(word: str) -> None:
    assert is_quality(word)


@pytest.mark.parametrize(
    "word",
    ["hockey", "galaxy", "nobody", "xyzal", "university", "army", "forest", "hospital", "harvest", "topic", "vegetable",
     "detective", "rely", "dog", "loud", ""],
)  # fmt: skip
def test_nouns_and_nonsense_are_no_qualities(word: str) -> None:
    assert not is_quality(word)


@pytest.mark.parametrize("word", ["scurrying", "handling", "weathered", "unidentified", "terrifying"])
def test_participles(word: str) -> None:
    assert is_participle(word)


@pytest.mark.parametrize("word", ["building", "wedding", "pudding", "hundred", "symbols", "xyzzing", "ring", ""])
def test_what_only_ends_like_one_is_no_participle(word: str) -> None:
    assert not is_participle(word)


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine.english, "_PACKAGE", "a_package_that_is_not_there")
    with pytest.raises(FileNotFoundError, match="a_package_that_is_not_there"):
        english_words.__wrapped__()


def test_known_words_do_not_read_the_list() -> None:
    code = """
import sys
from engine.english import english_words
from engine.lexicon import lexicon_for
from engine.phrase import understand
understand("keep the dog, remove everything else", lexicon_for().concepts)
assert english_words.cache_info().currsize == 0
assert "symspellpy" not in sys.modules
understand("the dgo", lexicon_for().concepts)
assert english_words.cache_info().currsize == 1
assert "symspellpy" not in sys.modules
"""
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=50).returncode == 0
