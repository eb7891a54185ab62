"""Whether a word is English: such a word is itself, not a slip of the pen for a sound ("rein", "cart", "waiter").

The words come with `symspellpy` (82,834 of them, each with how often it was counted in books), which is installed for
this file alone and never imported: nothing is read until the first word that may be a slip; then it takes some 50 ms.
Words that hardly anybody writes do not count: one such ("truk") is likelier a slip than meant.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

_PACKAGE, _FILE = "symspellpy", "frequency_dictionary_en_82_765.txt"
_RARE = 200_000
"""Times counted, of 10^12: one word in five million."""


@cache
def english_words() -> frozenset[str]:
    """Every word of the list that is not rare, in lower case and without apostrophes; read once.

    Raises:
        FileNotFoundError: the package is not installed, or came without its list.
    """
    package = find_spec(_PACKAGE)
    if package is None or not package.submodule_search_locations:
        raise FileNotFoundError(f"the word list of {_PACKAGE} is not installed; `pip install {_PACKAGE}` brings it")
    text = (Path(package.submodule_search_locations[0]) / _FILE).read_text(encoding="utf-8-sig")
    counted = (line.partition(" ") for line in text.splitlines())
    return frozenset(word.replace("'", "") for word, _, count in counted if int(count) >= _RARE)


def is_english(word: str) -> bool:
    """Whether `word` (lower case, no punctuation) is in the list; the first call reads it."""
    return word in english_words()
