"""The list of English words: there, whole, read late, and what the lexicon needs of it."""

from __future__ import annotations

import subprocess
import sys

import pytest

import engine.english
from engine.english import english_words, is_english


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
