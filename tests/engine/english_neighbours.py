"""Write `engine/english.txt` anew: `python -m tests.engine.english_neighbours /usr/share/dict/american-english`.

Of a dictionary's words, only those within a slip of a lexicon word are kept (the list in the repository was made from
the word list of Debian's `wamerican`, SCOWL). Run it after words were added to the lexicon.
"""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path

import engine.lexicon
from engine.lexicon import Lexicon, fold

FOLDER = Path(engine.lexicon.__file__).parent


def neighbours(words: Iterable[str]) -> Iterator[str]:
    """The words that the lexicon would take for slips of its own."""
    data = json.loads((FOLDER / "lexicon.json").read_text(encoding="utf-8"))
    lexicon = Lexicon(data, ())
    for word in words:
        # without the English list, only a mended word has a score strictly between 0 and an inflection's
        if 0.0 < lexicon.read(word).score < engine.lexicon._INFLECTED:
            yield word


def main() -> None:
    """See the module."""
    lines = Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()
    words = sorted({word for line in lines if not line.endswith("'s") for word in fold(line) if word.isascii()})
    text = textwrap.fill(" ".join(neighbours(words)), 120, break_long_words=False, break_on_hyphens=False)
    (FOLDER / "english.txt").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
