"""What a listener asks for: targets, and the parser that turns their phrases into sets of known concepts.

A phrase is read from left to right, longest lexicon phrase first. Words for sounds form clauses; clauses form a set;
words that keep or remove say what the set does to what was asked for so far:

- It starts with nothing where the first word keeps (or is just a sound), with everything where it removes. "X without
  Y" is X minus Y, which is X wherever the two do not overlap ("speech but not the man" is the woman); "remove the music
  but keep the drums" is everything but music without drums. `only`, `just` and their like forget what was removed
  before; "except" and "but" turn keeping into removing and the reverse; "and" continues.
- Within a clause a narrower concept beats a wider one ("piano music" is piano), and a sound beats an act and an agent
  (`lexicon`). What follows a preposition behind a sound ("… in the kitchen", "… over the music") says where it is heard
  and is not asked for.
- Harmless words (adjectives and adverbs by list or ending, places) are dropped beside a sound. Any other word that is
  not known refuses the whole prompt, as does a concept that the model lacks: nothing is passed through unasked.

A match scores 1 for a phrase as the lexicon has it, 0.95 where a word was inflected, 1 − slips/letters where it was
mended, times 0.8 where a word for several concepts ("animal") was used. A label is always a phrase for itself.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from engine.errors import BadInput, UnknownPrompt
from engine.lexicon import BOUNDARY, SOUND, Entry, Lexicon, Word, fold, lexicon_for

_ADJECTIVE_ENDINGS = ("y", "ish", "ful", "ous", "less", "able", "ible", "ic", "al", "ive", "est")

LONGEST_PROMPT = 2000
"""Characters."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of session time in seconds in which the target is known to sound, or (`include=False`) not to."""

    start_s: float
    end_s: float
    include: bool = True


@dataclass(frozen=True, slots=True)
class Point:
    """A click in pixels of the declared picture; `label` 1 belongs to the object, 0 does not; `pts` in 1/90000 s."""

    x: float
    y: float
    label: int = 1
    object_id: int = 0
    pts: int | None = None


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels of the declared picture; `pts` in 1/90000 s."""

    x_min: float
    y_min: float
    x_max: float
    y_max: float
    object_id: int = 0
    pts: int | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """One thing to isolate.

    Attributes:
        id: the caller's name for it.
        prompt: what to keep, in words.
        spans, points, boxes: further hints.
        gain_db: applied to the target's output.
        max_suppression_db: how far the rest may be pushed down; None for no limit.
        bypass: give the input instead.
    """

    id: str
    prompt: str
    spans: tuple[Span, ...] = ()
    points: tuple[Point, ...] = ()
    boxes: tuple[Box, ...] = ()
    gain_db: float = 0.0
    max_suppression_db: float | None = None
    bypass: bool = False


@dataclass(frozen=True, slots=True)
class Match:
    """A concept that was understood, and how sure that is (0 to 1, see the module)."""

    label: str
    score: float


@dataclass(frozen=True, slots=True)
class ConceptSet:
    """The concepts asked for, or with `inverted` everything but these. No label occurs twice."""

    matches: tuple[Match, ...]
    inverted: bool = False

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels of the matches."""
        return tuple(match.label for match in self.matches)


_NOTHING, _EVERYTHING = ConceptSet(()), ConceptSet((), inverted=True)


@cache
def _wider() -> Mapping[str, str]:
    return lexicon_for().wider


def _within(label: str, labels: Collection[str]) -> bool:
    """Whether a label or the wider one that contains it ("speech" contains "man speaking") is among `labels`."""
    return label in labels or _wider().get(label) in labels


def _joined(one: Sequence[Match], other: Sequence[Match]) -> tuple[Match, ...]:
    """In either; the better score holds, and what a wider label contains is left out."""
    best: dict[str, float] = {}
    for match in (*one, *other):
        best[match.label] = max(match.score, best.get(match.label, 0.0))
    wider = _wider()
    return tuple(Match(label, score) for label, score in best.items() if wider.get(label) not in best)


def _common(one: Sequence[Match], other: Sequence[Match]) -> tuple[Match, ...]:
    """In both; of a wider and a contained label the contained one."""
    labels = [[match.label for match in part] for part in (one, other)]
    return _joined([m for m in one if _within(m.label, labels[1])], [m for m in other if _within(m.label, labels[0])])


def _less(one: Sequence[Match], other: Sequence[Match]) -> tuple[Match, ...]:
    """In `one` only. Of a wider label that loses a part, the other parts that have a name remain."""
    gone, parts = {match.label for match in other}, _wider()
    left: list[Match] = []
    for match in one:
        inside = [label for label in parts if parts[label] == match.label]
        if gone.intersection(inside):
            left += [Match(label, match.score) for label in inside if not _within(label, gone)]
        elif not _within(match.label, gone):
            left.append(match)
    return _joined(left, ())


def _complement(concepts: ConceptSet) -> ConceptSet:
    return ConceptSet(concepts.matches, not concepts.inverted)


def _union(one: ConceptSet, other: ConceptSet) -> ConceptSet:
    a, b = one.matches, other.matches
    if one.inverted and other.inverted:
        return ConceptSet(_common(a, b), inverted=True)
    if one.inverted:
        return ConceptSet(_less(a, b), inverted=True)
    if other.inverted:
        return ConceptSet(_less(b, a), inverted=True)
    return ConceptSet(_joined(a, b))


def _minus(one: ConceptSet, other: ConceptSet) -> ConceptSet:
    return _complement(_union(_complement(one), other))


def union_of(sets: Sequence[ConceptSet]) -> ConceptSet:
    """Everything that is in any of the sets: A ∪ ¬B = ¬(B∖A), ¬A ∪ ¬B = ¬(A∩B).

    "speech" contains "man speaking" and "woman speaking"; speech without one of them is the other. No set gives the
    empty set; everything is the inverted empty set.
    """
    result = _NOTHING
    for concepts in sets:
        result = _union(result, concepts)
    return result


def understand(prompt: str, known: Collection[str]) -> ConceptSet:
    """Concepts that a phrase asks for, all of them among the `known` labels; see the module.

    Takes well under a millisecond for ordinary prompts, the first call some 60 ms more (the lexicon is read).

    Raises:
        BadInput: field `prompt`: empty, longer than 2000 characters, or keeps nothing ("dog but no dogs").
        UnknownPrompt: a word that is not known, or no sound at all ("everything"); names the three nearest labels.
    """
    if not prompt.strip():
        raise BadInput("prompt", "words that name a sound", prompt)
    if len(prompt) > LONGEST_PROMPT:
        raise BadInput("prompt", f"at most {LONGEST_PROMPT} characters", f"{len(prompt)} characters")
    lexicon = lexicon_for(known)
    words = [Word(BOUNDARY, BOUNDARY, 1.0) if token == BOUNDARY else lexicon.read(token) for token in fold(prompt)]
    try:
        concepts = _Reader(lexicon, words, frozenset(known)).result()
    except _Unknown as unknown:
        whole = unknown.phrase == " ".join(fold(prompt))
        nearest = lexicon.nearest(unknown.phrase, known)
        raise UnknownPrompt(prompt, nearest, word=None if whole else unknown.phrase) from None
    if not concepts.matches and concepts.inverted:
        raise UnknownPrompt(prompt, lexicon.nearest(" ".join(fold(prompt)), known))
    if not concepts.matches:
        raise BadInput("prompt", "words that leave a sound to keep", prompt)
    return concepts


class _Unknown(Exception):
    """`phrase` means nothing that the model knows."""

    def __init__(self, phrase: str) -> None:
        super().__init__(phrase)
        self.phrase = phrase


@dataclass(slots=True)
class _Clause:
    """What was read since the last conjunction."""

    sounds: list[tuple[int, ConceptSet]]
    """Rank and meaning of each."""
    beside: list[str]
    """Words that are harmless only beside a sound."""
    participles: list[str]
    """Words that are harmless beside a sound, but not beside an agent ("dog running", but not "man eating")."""


class _Reader:
    """Reads the words of one prompt; `result` once."""

    def __init__(self, lexicon: Lexicon, words: Sequence[Word], known: frozenset[str]) -> None:
        self._lexicon, self._words, self._known = lexicon, words, known
        self._so_far: ConceptSet | None = None
        self._kept_any = False
        self._named: set[str] = set()
        self._keep, self._negated, self._negation_decides = True, False, False
        self._chain: list[ConceptSet] = []
        self._clause = _Clause([], [], [])
        self._elsewhere = False

    def result(self) -> ConceptSet:
        """What the words ask for; inverted and empty where nothing was named."""
        at = 0
        while at < len(self._words):
            word = self._words[at]
            if word.text == BOUNDARY:
                self._end_clause()
                at += 1
                continue
            found = self._lexicon.find(self._words, at)
            if found is None:
                self._unknown(word.text)
                at += 1
                continue
            entry, length, score = found
            self._take(entry, self._words[at : at + length], score, at + length)
            at += length
        self._end_chain()
        return self._so_far or _EVERYTHING

    def _take(self, entry: Entry, words: Sequence[Word], score: float, after: int) -> None:
        text = " ".join(word.text for word in words)
        if entry.role in ("keep", "only", "remove", "post_remove", "not", "flip"):
            self._turn(entry.role, text)
        elif entry.role == "split":
            self._end_chain() if text == "with" else self._end_clause()
        elif entry.role == "context":
            self._elsewhere = self._elsewhere or bool(self._clause.sounds)
        elif self._elsewhere:
            return
        elif entry.role in ("everything", "maybe_everything"):
            self._everything(entry, after)
        elif entry.role == SOUND:
            self._clause.sounds.append((entry.rank, self._meaning(entry.name, score, text)))
        elif entry.role == "refused":
            raise _Unknown(text)
        elif entry.role == "place":
            self._clause.beside.append(text)
        elif entry.role == "doing":
            self._clause.participles.append(text)

    def _meaning(self, name: str, score: float, text: str) -> ConceptSet:
        meaning = self._lexicon.meaning(name)
        matches = [Match(l, round(s * score, 3)) for l, s in meaning.scores.items() if l in self._known]
        if not matches:
            raise _Unknown(name if name in meaning.scores else text)
        return ConceptSet(_joined(matches, ()), meaning.inverted)

    def _unknown(self, text: str) -> None:
        """A word that the lexicon does not have."""
        if self._elsewhere or text.isdecimal():
            return
        if len(text) >= 5 and text.endswith(_ADJECTIVE_ENDINGS):
            self._clause.beside.append(text)
        elif len(text) >= 6 and text.endswith(("ing", "ed")):
            self._clause.participles.append(text)
        else:
            raise _Unknown(text)

    def _everything(self, entry: Entry, after: int) -> None:
        """Everything is meant, unless the word only quantifies what follows ("all dogs", "everything musical")."""
        for at in range(after, len(self._words)):
            found = self._lexicon.find(self._words, at)
            role = found[0].role if found else BOUNDARY
            if role in ("filler", "harmless"):
                continue
            if role == SOUND or (role == "keep" and entry.role == "maybe_everything"):
                return
            break
        self._end_chain()
        # "keep the dog, mute everything else" and "remove the dog, keep everything else" say what already holds
        told = self._kept_any if not self._keep else self._so_far is not None and self._so_far.inverted
        if not told:
            self._chain.append(_EVERYTHING)
            self._end_chain()

    def _turn(self, role: str, text: str) -> None:
        """A word that says whether what follows (with `post_remove`: what came before) is kept."""
        self._end_clause()
        if role == "post_remove":
            after_sounds, before = bool(self._chain), self._keep
            self._keep = False
            self._end_chain()
            self._keep = before and after_sounds
            return
        self._end_chain()
        if role == "not":
            self._keep, self._negated, self._negation_decides = False, True, True
        elif role == "flip":
            if not self._keep and self._negation_decides and text == "but":
                self._forget_removals()  # "no animals but the dog"
            self._keep, self._negated = not self._keep, False
        elif role == "remove":
            self._keep, self._negation_decides = self._negated, False
        else:
            self._keep = not self._negated
            if role == "only" and self._keep:
                self._forget_removals()

    def _forget_removals(self) -> None:
        if not self._kept_any:
            self._so_far = _NOTHING

    def _spared(self, removed: Sequence[ConceptSet]) -> ConceptSet:
        """What a wider word does not take from what was kept: named alone ("vocals without the music"), or no noise."""
        if self._so_far is None or self._so_far.inverted or all(len(own.matches) == 1 for own in removed):
            return _NOTHING
        if any(own.inverted for own in removed):
            return self._so_far
        return ConceptSet(tuple(match for match in self._so_far.matches if match.label in self._named))

    def _end_clause(self) -> None:
        """Narrow the clause to what it means and add it to the chain."""
        clause, self._clause = self._clause, _Clause([], [], [])
        self._elsewhere = False
        rest = clause.beside + clause.participles
        if not clause.sounds:
            if rest:
                raise _Unknown(rest[-1])
            return
        top = max(rank for rank, _ in clause.sounds)
        if clause.participles and top == 0:
            raise _Unknown(clause.participles[-1])
        self._chain.append(_narrowed(clause.sounds))
        self._negated = False

    def _end_chain(self) -> None:
        """Apply the clauses gathered under one word that keeps or removes."""
        self._end_clause()
        if not self._chain:
            return
        parts, self._chain = self._chain, []
        asked = union_of(parts)
        if self._so_far is None:
            self._so_far = _NOTHING if self._keep else _EVERYTHING
        if self._keep:
            self._so_far = _union(self._so_far, asked)
            self._named |= {own.labels[0] for own in parts if len(own.matches) == 1 and not own.inverted}
        else:
            self._so_far = _union(_minus(self._so_far, asked), self._spared(parts))
        self._kept_any = self._kept_any or self._keep


def _narrowed(sounds: Sequence[tuple[int, ConceptSet]]) -> ConceptSet:
    """Meaning of a clause: without sets that contain another of it; of the rest those of the highest rank."""
    distinct = tuple(dict.fromkeys(sounds))  # a word said 300 times costs no more than once
    left = [(rank, own) for rank, own in distinct if not any(_yields(rank, own, *other) for other in distinct)]
    top = max(rank for rank, _ in left)
    return union_of([own for rank, own in left if rank == top])


def _yields(rank: int, wide: ConceptSet, other_rank: int, narrow: ConceptSet) -> bool:
    """Whether a set contains a narrower one. An agent does not narrow an act of several kinds ("kids yelling")."""
    if wide.labels == narrow.labels or (rank == 2 and other_rank == 0 and len(wide.matches) > 1):
        return False
    if wide.inverted or narrow.inverted:
        return _minus(narrow, wide) == _NOTHING
    return all(_within(label, wide.labels) for label in narrow.labels)
