"""The words that prompts are made of: read once from `lexicon.json`, looked up by the phrase parser.

`lexicon.json` is written by hand, in our own words. Its parts:

- `concepts`: label → phrases, in four ranks. `sounds` name the sound or what makes it ("puppy", "dog barking"),
  `acts` are verbs that yield to a sound beside them ("singing": in "birds happily singing" it is the birds that count),
  `things` and `agents` yield to both ("street" alone means traffic; "man" alone his voice, "man laughing" laughter).
- `kinds`: words for several concepts ("animal", "weather"), or with `everything_but` for the complement ("noise").
- `contained`: label → the wider label that includes it.
- `words`: what the grammar needs, by role: `keep`, `only`, `remove`, `cease` ("stop": also of what stands before it),
  `clean` and `filter` (keep or remove, by what follows), `post_remove` ("music removed"), `off` and `out` (the same,
  but not behind a verb), `lessened` (the same, but not before a sound: "softer"), `not`, `without`, `flip` ("except"),
  `everything`, `maybe_everything`, `split`, `context` (what follows says where or when, not what), `filler`, `harmless`
  (adjectives), `place` (harmless beside a sound, unknown alone), `doing` (harmless beside anything but an agent),
  `refused` (known to be no concept of ours).
- `neighbours`: what to suggest for sounds that people will ask for and we do not know.

A word within a slip of the pen of one of these is read as that one, unless it is an English word itself (`english`).

Nothing is read at import; the first call of `lexicon_for` reads the file, later ones are a dictionary look-up.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import Any

from engine.english import is_english
from engine.spelling import Speller, base_forms, bases_of
from engine.suggestions import Suggestable

SOUND = "sound"
BOUNDARY = ","
"""Stands in folded text for every mark that ends a clause."""

_RANKS = {"sounds": 3, "acts": 2, "things": 1, "agents": 0}
_FOLDER = Path(__file__).parent
LONGEST_PHRASE = 7
"""Words in the longest phrase that is looked for."""

_INFLECTED, _OF_KIND = 0.95, 0.8
"""Scores of a word in another form, and of a concept that was reached through a word for several."""

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
    """A word as read: spelling and base form as the lexicon has them, and how sure that is (0: not a word of ours).

    `typed` is the word as it stands in the prompt, but for case and accents.
    """

    text: str
    base: str
    score: float
    typed: str


_BEFORE, _AFTER = r"(?<![^\s(\[,;:])", r"(?=[\"'“‘]?[^\W\d_])"
"""Where a sign stands for a word: at the beginning of a word, not within or behind one."""

_DETERMINER = r"(?:the|an?|that|this|those|these|my|your|his|her|our|their)\b"
_DENYING = r"(?:not|instead of|in place of|rather than)"
_MODAL = r"(?:should|must|can|could|may|will|would|wants?|needs?|likes?) "
_SIGNS = tuple((re.compile(sign), words) for sign, words in (
    (r"^\W*(?:no[\s,.!]+)*no\s*[,.!]+\s*(?=\w)", " "),  # "no, the woman"
    (rf"^\W*(?:no )+(?={_DETERMINER}.*(?<!but )\b{_DENYING} {_DETERMINER})", " "),  # "no the woman, not the man"
    (rf"^\W*({_DENYING} {_DETERMINER} \w+) (?={_DETERMINER})", rf" \1 {BOUNDARY} "),  # "not the man the woman"
    (r"(?m)^[ \t]*-\s+", " "),  # a list, not a minus
    (r"\s–\s|—|--+", f" {BOUNDARY} "),
    (_BEFORE + r"[-−]\s*" + _AFTER, " minus "),
    (_BEFORE + "[!~¬]+" + _AFTER, " minus "),
    (_BEFORE + r"\+" + _AFTER, " keep "),
    (r"\bw/o\b", " without "),
    (r"\bw/(?=\s|\w)", " with "),
    (rf"\b(?:quiet|duck|hold) (?={_DETERMINER})", "mute "),  # verbs here
    (r"\bwatch (?:out )?for\b", "look for"),  # no clock
    (rf"\bclean (?={_DETERMINER})", "clean up "),
    (rf"\b{_DETERMINER} lower (?!{_DETERMINER})(?=[a-z])", "low "),  # no verb here
    (r"\b(?:the|an?) louder (?=[a-z])", "loud "),  # these describe, without an article they ask
    (r"\b(?:the|an?) (?:quieter|softer) (?=[a-z])", "quiet "),
    (rf"\b(?:nobody|no ?one) (?=(?:to |{_MODAL})*(?:hear|want|need)s?\b)", "dont "),
    (r"\b(?:nobody|noone) (?=\w)", "no person "),
    (r"(?<=\w)-less\b", " free"),
    (r"[&+]", " and "),
    (r"/", " or "),
    (r"[’‘`´]", "'"),
    (r"\bwhat(?:ever)?(?: is not| are not| isn'?t| aren'?t|'s not)\b", "everything except "),
    (r"'s\b|'", ""),
    (r"[,;:.!?|()\[\]\n]+", f" {BOUNDARY} "),
))  # fmt: skip


def plain(text: str) -> str:
    """`text` in lower case and without accents."""
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)).casefold()


def fold(text: str) -> list[str]:
    """Words of `text` in lower case without accents, articles and possessives; `BOUNDARY` for clause marks.

    A sign before a word stands for a word: "-music" is "minus music", "!dog" the same, "+speech" is "keep speech".
    A hyphen within a word parts it; a dash between clauses is a clause mark.
    """
    text = plain(text)
    for sign, words in _SIGNS:
        text = sign.sub(words, text)
    return [word for word in re.sub(r"[^\w,]|_", " ", text).split() if word not in _ARTICLES]


class Lexicon:
    """See the module.

    Args:
        data: the parsed `lexicon.json`.
        is_english: whether a word that is near one of ours is a true word, and so not ours misspelt.
        labels: further concepts, each with its label as the only phrase.
    """

    def __init__(self, data: Mapping[str, Any], is_english: Callable[[str], bool], labels: Iterable[str] = ()) -> None:
        self._concepts: dict[str, Any] = {**data["concepts"], **{label: {} for label in labels}}
        self._kinds: dict[str, Any] = data["kinds"]
        self.wider: Mapping[str, str] = data["contained"]
        self._neighbours = {w.replace(" ", ""): row["labels"] for row in data["neighbours"] for w in row["words"]}
        self._is_english = is_english
        self._place = {label: (label in self.wider, place) for place, label in enumerate(self._concepts)}
        self._phrases: dict[str, str] = {}
        """Every phrase for a sound → name of its concept or kind; for suggestions."""
        folded = [(_words(phrase), entry) for phrase, entry in self._all_phrases(data["words"])]
        self._bases = base_forms({word for words, _ in folded for word in words})
        self._spelt: dict[str, Entry] = {}
        self._inflected: dict[str, Entry] = {}
        for words, entry in folded:
            # written as one word, so that "foot steps" and "carhorn" are found too; the first entry of a phrase holds
            self._spelt.setdefault("".join(words), entry)
            self._inflected.setdefault("".join(self._bases[word] for word in words), entry)
        self._speller = Speller(Counter(word for words, _ in folded for word in words), self._bases)
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
            return Word(token, self._bases[token], 1.0, token)
        if token in self._spelt:
            return Word(token, token, _INFLECTED, token)
        for base in bases_of(token):
            if base in self._bases:
                return Word(base, self._bases[base], _INFLECTED, token)
        mended = self._speller.mended(token)
        if mended is None or self._is_english(token):  # asked last: the list of words is read on the first such call
            return Word(token, token, 0.0, token)
        word, slips = mended
        return Word(word, self._bases[word], 1.0 - slips / len(token), token)

    def find(self, words: Sequence[Word], at: int) -> tuple[Entry, int, float] | None:
        """The longest phrase that begins at word `at`: what it is, its length in words, its score."""
        for length in range(min(LONGEST_PHRASE, len(words) - at), 0, -1):
            part = words[at : at + length]
            entry, score = self._spelt.get("".join(word.text for word in part)), 1.0
            if entry is None:
                entry, score = self._inflected.get("".join(word.base for word in part)), _INFLECTED
            if entry is not None and all(word.text != BOUNDARY for word in part):
                return entry, length, min(score, *(word.score or _INFLECTED for word in part), 1.0)
        return None

    def pair(self, one: Word, other: Word) -> Entry | None:
        """The phrase that two words make, which need not stand side by side."""
        return self._spelt.get(one.text + other.text) or self._inflected.get(one.base + other.base)

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
        Of labels equally near (all, where nothing is like it) those that the lexicon begins with: speech, singing …
        """
        phrase = phrase[:100]
        joined = "".join(fold(phrase))
        ordered = [label for label in (*self._neighbours.get(joined, ()), *self._relatives(phrase)) if label in known]
        if len(dict.fromkeys(ordered)) < 3:
            likeness = self._suggestable.likeness(phrase)
            ordered += sorted(sorted(known, key=self._place.__getitem__), key=lambda label: -likeness.get(label, 0.0))
        return tuple(dict.fromkeys(ordered))[:3]

    @cached_property
    def _suggestable(self) -> Suggestable:
        labels_of = {name: tuple(self.meaning(name).scores) for name in set(self._phrases.values())}
        meanings = {phrase: labels_of[name] for phrase, name in self._phrases.items()}
        return Suggestable({**meanings, **{label: (label,) for label in self._concepts}})

    def prepare(self) -> None:
        """Build now what the first slip or unknown word would build, so that no hop has to wait for it."""
        self.read("xqxqx")
        self._suggestable.likeness("xqxqx")
        self._is_english("xqxqx")

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


@cache
def _data() -> dict[str, Any]:
    data: dict[str, Any] = json.loads((_FOLDER / "lexicon.json").read_text(encoding="utf-8"))
    return data


@lru_cache(maxsize=8)
def _lexicon(extra: frozenset[str]) -> Lexicon:
    return Lexicon(_data(), is_english, sorted(extra))


def lexicon_for(known: Iterable[str] = ()) -> Lexicon:
    """The lexicon, with those of the `known` labels that it has no phrases for; made once for each set of them."""
    return _lexicon(frozenset(known).difference(_data()["concepts"]))
