"""The words that prompts are made of: read once from `lexicon.json`, looked up by the phrase parser.

`lexicon.json` is written by hand, in our own words. Its parts:

- `concepts`: label → phrases, in four ranks. `sounds` name the sound or what makes it ("puppy", "dog barking"),
  `acts` are verbs that yield to a sound beside them ("singing": in "birds happily singing" it is the birds that count),
  `things` and `agents` yield to both ("street" alone means traffic; "man" alone his voice, "man laughing" laughter).
- `kinds`: words for several concepts ("animal", "weather"), or with `everything_but` for the complement ("noise").
- `contained`: label → the wider label that includes it.
- `words`: what the grammar needs, by role: `keep`, `only`, `remove`, `post_remove` ("music removed"), `not`, `flip`
  ("except"), `everything`, `maybe_everything`, `split`, `context` (what follows says where or when, not what),
  `filler`, `harmless` (adjectives), `place` (harmless beside a sound, unknown alone), `doing` (harmless beside
  anything but an agent), `refused` (known to be no concept of ours).
- `neighbours`: what to suggest for sounds that people will ask for and we do not know.

`english.txt` lists true English words within a slip of the pen of a lexicon word ("rein", "cart", "waiter"): they are
themselves, not misspelt sounds. `python -m tests.engine.english_neighbours DICTIONARY` writes it anew.

Nothing is read at import; the first call of `lexicon_for` costs about 60 ms, later ones a dictionary look-up.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from rapidfuzz import fuzz, process
from rapidfuzz.distance import OSA

SOUND = "sound"
BOUNDARY = ","
"""Stands in folded text for every mark that ends a clause."""

_RANKS = {"sounds": 3, "acts": 2, "things": 1, "agents": 0}
_FOLDER = Path(__file__).parent
_LONGEST = 7
"""Words in the longest phrase that is looked for."""

_INFLECTED, _OF_KIND = 0.95, 0.8
"""Scores of a word in another form, and of a concept that was reached through a word for several."""

_ENDINGS = (
    ("ies", ("y",)), ("es", ("",)), ("s", ("",)), ("ing", ("", "e")), ("ied", ("y",)), ("ed", ("", "e")),
)  # fmt: skip
_DOUBLES = re.compile("^[^aeiou]*[aeiouy][^aeiouwxy]$")
_TWICE = re.compile(r"(.)\1")
_ARTICLES = frozenset(("a", "an", "the", "some"))


@dataclass(frozen=True, slots=True)
class Entry:
    """What a phrase stands for: its role in the grammar, and for a sound the concept or kind and its rank."""

    role: str
    name: str = ""
    rank: int = 0


@dataclass(frozen=True, slots=True)
class Meaning:
    """Labels with their scores; `inverted` means everything but these."""

    scores: Mapping[str, float]
    inverted: bool = False


@dataclass(frozen=True, slots=True)
class Word:
    """A word as read: spelling and base form as the lexicon has them, and how sure that is (0: not a word of ours)."""

    text: str
    base: str
    score: float


def fold(text: str) -> list[str]:
    """Words of `text` in lower case without accents, articles and possessives; `BOUNDARY` for clause marks."""
    text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)).casefold()
    text = re.sub(r"\bw/o\b", " without ", text)
    text = re.sub(r"\bw/(?=\s|\w)", " with ", text)
    text = re.sub(r"\bquiet (?=(?:the|that|this|those|these|my)\b)", "mute ", text)  # a verb here, not an adjective
    text = re.sub(r"[&+]", " and ", text)
    text = re.sub(r"[’‘`´]", "'", text)
    text = re.sub(r"'s\b|'", "", text)
    text = re.sub(r"[,;:.!?/|()\[\]\n]+", f" {BOUNDARY} ", text)
    return [word for word in re.sub(r"[^\w,]|_", " ", text).split() if word not in _ARTICLES]


def _bases(word: str) -> Iterator[str]:
    """Forms that an inflected `word` may come from: plurals, -ing, -ed."""
    for ending, replacements in _ENDINGS:
        stem = word.removesuffix(ending)
        if stem == word or len(stem) < 2 or not re.search("[aeiouy]", stem):
            continue
        if ending == "es" and not re.search("(s|x|z|ch|sh|o)$", stem):
            continue
        if ending == "s" and stem.endswith(("s", "u", "i")):
            continue
        if ending in ("ing", "ed") and _DOUBLES.search(stem):
            replacements = ("e",)  # "caring" is no form of "car": that would have doubled its last letter
        yield from (stem + replacement for replacement in replacements if len(stem + replacement) >= 3)
        if ending in ("ing", "ed") and len(stem) > 3 and stem[-1] == stem[-2]:
            yield stem[:-1]


class Lexicon:
    """See the module.

    Args:
        data: the parsed `lexicon.json`.
        english: true words that are never taken for misspelt ones.
        labels: further concepts, each with its label as the only phrase.
    """

    def __init__(self, data: Mapping[str, Any], english: Iterable[str], labels: Iterable[str] = ()) -> None:
        self._concepts: dict[str, Any] = {**data["concepts"], **{label: {} for label in labels}}
        self._kinds: dict[str, Any] = data["kinds"]
        self.wider: Mapping[str, str] = data["contained"]
        self._neighbours = {w.replace(" ", ""): row["labels"] for row in data["neighbours"] for w in row["words"]}
        self._english = frozenset(english)
        self._phrases: dict[str, str] = {}
        """Every phrase for a sound → name of its concept or kind; for suggestions."""
        folded = [(_words(phrase), entry) for phrase, entry in self._all_phrases(data["words"])]
        self._bases = _base_forms({word for words, _ in folded for word in words})
        self._spelt: dict[str, Entry] = {}
        self._inflected: dict[str, Entry] = {}
        for words, entry in folded:
            # written as one word, so that "foot steps" and "carhorn" are found too; the first entry of a phrase holds
            self._spelt.setdefault("".join(words), entry)
            self._inflected.setdefault("".join(self._bases[word] for word in words), entry)
        self._uses = Counter(word for words, _ in folded for word in words)
        self._by_letter: dict[str, list[str]] = {}
        for word in sorted(self._bases):
            if len(word) >= 3:
                self._by_letter.setdefault(word[0], []).append(word)
        self.read = lru_cache(maxsize=4096)(self._read)

    @property
    def concepts(self) -> tuple[str, ...]:
        """Every label."""
        return tuple(self._concepts)

    @property
    def phrases(self) -> Mapping[str, str]:
        """Every phrase for a sound → name of its concept or kind."""
        return self._phrases

    def _all_phrases(self, words: Mapping[str, list[str]]) -> Iterator[tuple[str, Entry]]:
        for prefix, group in (("", self._concepts), ("kind:", self._kinds)):
            for name, ranks in group.items():
                for rank, level in _RANKS.items():
                    for phrase in ranks.get(rank, ()):
                        self._phrases[phrase] = prefix + name
                        yield phrase, Entry(SOUND, prefix + name, level)
        for label in self._concepts:
            name = label if label not in self._kinds else "kind:" + label
            yield label, Entry(SOUND, name, _RANKS["sounds"])
        for role, phrases in words.items():
            for phrase in phrases:
                yield phrase, Entry(role)

    def _read(self, token: str) -> Word:
        if token in self._bases:
            return Word(token, self._bases[token], 1.0)
        if token in self._spelt:
            return Word(token, token, _INFLECTED)
        for base in _bases(token):
            if base in self._bases:
                return Word(base, self._bases[base], _INFLECTED)
        if token in self._english or not 3 <= len(token) <= 24:
            return Word(token, token, 0.0)
        return self._mended(token)

    def _mended(self, token: str) -> Word:
        """The nearest word by edits and swaps: one in up to 7 letters (in 3, a swap only), two in longer words.

        The first letter must be right, or swapped with the second: slips there are rare, and rhymes are many. Of two
        words equally near the one in more phrases is meant.
        """
        allowed = 1 if len(token) < 8 else 2
        single = _TWICE.sub(r"\1", token)  # "dogg"
        words = [
            word for word in self._by_letter.get(token[0], []) if len(word) > 3 or len(token) == 3 or word == single
        ]
        words += [word for word in self._by_letter.get(token[1], []) if word[:2] == token[1::-1]]
        near = process.extract(token, words, scorer=OSA.distance, score_cutoff=allowed, limit=None)
        if len(token) == 3:
            near = [found for found in near if sorted(found[0]) == sorted(token)]
        if not near:
            return Word(token, token, 0.0)
        best, slips, _ = min(near, key=lambda found: (found[1], -self._uses[found[0]]))
        return Word(best, self._bases[best], 1.0 - slips / len(token))

    def find(self, words: Sequence[Word], at: int) -> tuple[Entry, int, float] | None:
        """The longest phrase that begins at word `at`: what it is, its length in words, its score."""
        for length in range(min(_LONGEST, len(words) - at), 0, -1):
            part = words[at : at + length]
            entry, score = self._spelt.get("".join(word.text for word in part)), 1.0
            if entry is None:
                entry, score = self._inflected.get("".join(word.base for word in part)), _INFLECTED
            if entry is not None and all(word.text != BOUNDARY for word in part):
                return entry, length, min(score, *(word.score or _INFLECTED for word in part), 1.0)
        return None

    def meaning(self, name: str) -> Meaning:
        """What the concept or kind of an entry stands for. A label that names a kind scores 1 in it."""
        kind = name.removeprefix("kind:")
        if kind == name:
            return Meaning({name: 1.0})
        if "everything_but" in self._kinds[kind]:
            return Meaning(dict.fromkeys(self._kinds[kind]["everything_but"], _OF_KIND), inverted=True)
        return Meaning({label: 1.0 if label == kind else _OF_KIND for label in self._kinds[kind]["members"]})

    def nearest(self, phrase: str, known: Collection[str]) -> tuple[str, ...]:
        """Three of the `known` labels (all, where there are fewer) that `phrase` may have meant, best first.

        What `neighbours` says of it; then, where it is a label that is not known, its relatives; then by likeness, the
        best over all phrases of a label: 0.7 of the edit ratio and 0.3 of the shared words (one word: the edit ratio).
        """
        phrase = phrase[:100]
        joined = "".join(fold(phrase))
        ordered = [label for label in (*self._neighbours.get(joined, ()), *self._relatives(phrase)) if label in known]
        likeness = dict.fromkeys(sorted(known), 0.0)
        blend = ((fuzz.ratio, 0.7), (fuzz.token_set_ratio, 0.3)) if " " in phrase else ((fuzz.ratio, 1.0),)
        for scorer, weight in blend:
            best: dict[str, float] = {}
            for text, score, _ in process.extract(phrase, [*self._phrases, *likeness], scorer=scorer, limit=None):
                for label in self.meaning(self._phrases[text]).scores if text in self._phrases else (text,):
                    best[label] = max(best.get(label, 0.0), score)
            for label in likeness:
                likeness[label] += weight * best.get(label, 0.0)
        ordered += sorted(likeness, key=lambda label: -likeness[label])
        return tuple(dict.fromkeys(ordered))[:3]

    def _relatives(self, label: str) -> list[str]:
        if label not in self._concepts:
            return []
        kinds = [row["members"] for row in self._kinds.values() if label in row.get("members", ())]
        wide = self.wider.get(label, label)
        kin = [kin for kin in self.wider if self.wider[kin] == wide]
        return [wide, *kin, *(member for kind in sorted(kinds, key=len) for member in kind)]


def _words(phrase: str) -> list[str]:
    """The words of a phrase of the lexicon, which is folded but for its articles."""
    return [word for word in phrase.split() if word not in _ARTICLES] if " " in phrase else [phrase]


def _base_forms(words: set[str]) -> dict[str, str]:
    """Each word, and the singular of each, → one form for all that come from another."""
    bases: dict[str, str] = {}
    for word in sorted(words, key=lambda word: (len(word), word)):
        bases[word] = next((bases[base] for base in _bases(word) if base in words), word)
    for word in sorted(words):
        if word.endswith("s"):
            for base in _bases(word):
                bases.setdefault(base, bases[word])
    return bases


@cache
def _data() -> tuple[dict[str, Any], tuple[str, ...]]:
    text = (_FOLDER / "lexicon.json").read_text(encoding="utf-8")
    return json.loads(text), tuple((_FOLDER / "english.txt").read_text(encoding="utf-8").split())


@lru_cache(maxsize=8)
def _lexicon(extra: frozenset[str]) -> Lexicon:
    data, english = _data()
    return Lexicon(data, english, sorted(extra))


def lexicon_for(known: Iterable[str] = ()) -> Lexicon:
    """The lexicon, with those of the `known` labels that it has no phrases for; made once for each set of them."""
    return _lexicon(frozenset(known).difference(_data()[0]["concepts"]))
