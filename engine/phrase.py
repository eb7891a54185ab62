"""The parser: from a phrase to the set of known concepts that it asks for.

A phrase is read from left to right, longest lexicon phrase first. Words for sounds form clauses; clauses form a set;
words that keep or remove say what the set does to what was asked for so far:

- It starts with nothing where the first word keeps (or is just a sound), with everything where it removes. "X without
  Y" is X minus Y, which is X wherever the two do not overlap ("speech but not the man" is the woman); "remove the music
  but keep the drums" is everything but music without drums. `only`, `just` and their like forget what was removed
  before; "except" and "but" turn keeping into removing and the reverse; "and" continues.
- Within a clause a narrower concept beats a wider one ("piano music" is piano), and a sound beats an act and an agent
  (`lexicon`). What follows a preposition behind a sound ("… in the kitchen", "… over the music") says where it is heard
  and is not asked for.
- A verb may be parted from its particle: "turn the fan down" is "turn down the fan".
- Harmless words (adjectives and adverbs by list or ending, places) are dropped beside a sound. Any other word that is
  not known refuses the whole prompt, as does a concept that the model lacks: nothing is passed through unasked.

A match scores 1 for a phrase as the lexicon has it, 0.95 where a word was inflected, 1 − slips/letters where it was
mended, times 0.8 where a word for several concepts ("animal") was used. A label is always a phrase for itself.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from engine.concepts import EVERYTHING, NOTHING, ConceptSet, Match, joined, minus, union, union_of, within
from engine.errors import BadInput, UnknownPrompt
from engine.lexicon import BOUNDARY, SOUND, Entry, Lexicon, Word, fold, lexicon_for

_ADJECTIVE_ENDINGS = ("y", "ish", "ful", "ous", "less", "able", "ible", "ic", "al", "ive", "est")

_PARTICLES = frozenset(("out", "away", "off", "up", "down", "through"))
_FARTHEST = 12
"""Words between a verb and its particle."""
_OF, _FROM = Word("of", "of", 1.0), Word("from", "from", 1.0)
"""In "take X out of Y", what follows is where X is heard."""

LONGEST_PROMPT = 2000
"""Characters."""


def understand(prompt: str, known: Collection[str]) -> ConceptSet:
    """Concepts that a phrase asks for, all of them among the `known` labels; see the module.

    Takes well under a millisecond for ordinary prompts, the first call some 70 ms more (the lexicon is read), the first
    unknown word 0.1 s (`Lexicon.prepare` does both beforehand).

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
        concepts = _Reader(lexicon, _gathered(lexicon, words), frozenset(known)).result()
    except _Unknown as unknown:
        whole = unknown.phrase == " ".join(fold(prompt))
        nearest = lexicon.nearest(unknown.phrase, known)
        raise UnknownPrompt(prompt, nearest, word=None if whole else unknown.phrase) from None
    if not concepts.matches and concepts.inverted:
        raise UnknownPrompt(prompt, lexicon.nearest(" ".join(fold(prompt)), known))
    if not concepts.matches:
        raise BadInput("prompt", "words that leave a sound to keep", prompt)
    return concepts


def _gathered(lexicon: Lexicon, words: Sequence[Word]) -> list[Word]:
    """With verbs that were parted from their particle put together: "take the wind out of this" → "take out …"."""
    gathered = list(words)
    for at, word in enumerate(words):
        if word.text not in _PARTICLES:
            continue
        for verb_at in range(at - 1, max(at - _FARTHEST, -1), -1):
            if gathered[verb_at].text == BOUNDARY:
                break
            pair = lexicon.pair(gathered[verb_at], word)
            if pair is None:
                continue
            if verb_at < at - 1 and pair.role in ("keep", "remove"):
                gathered.insert(verb_at + 1, gathered.pop(at))
                if gathered[at + 1 : at + 2] == [_OF]:
                    gathered[at + 1] = _FROM
            break
    return gathered


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
    behind: list[str]
    """Those of them that are nouns and stand behind a sound: "my uncle's birthday" is about no uncle."""
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
        self._clause = _Clause([], [], [], [])
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
        return self._so_far or EVERYTHING

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
            (self._clause.behind if self._clause.sounds else self._clause.beside).append(text)
        elif entry.role == "doing":
            self._clause.participles.append(text)

    def _meaning(self, name: str, score: float, text: str) -> ConceptSet:
        meaning = self._lexicon.meaning(name)
        matches = [Match(l, round(s * score, 3)) for l, s in meaning.scores.items() if l in self._known]
        if not matches:
            raise _Unknown(name if name in meaning.scores else text)
        return ConceptSet(joined(matches, ()), meaning.inverted)

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
            self._chain.append(EVERYTHING)
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
            self._so_far = NOTHING

    def _spared(self, removed: Sequence[ConceptSet]) -> ConceptSet:
        """What a wider word does not take from what was kept: named alone ("vocals without the music"), or no noise."""
        if self._so_far is None or self._so_far.inverted or all(len(own.matches) == 1 for own in removed):
            return NOTHING
        if any(own.inverted for own in removed):
            return self._so_far
        return ConceptSet(tuple(match for match in self._so_far.matches if match.label in self._named))

    def _end_clause(self) -> None:
        """Narrow the clause to what it means and add it to the chain."""
        clause, self._clause = self._clause, _Clause([], [], [], [])
        self._elsewhere = False
        rest = clause.beside + clause.participles  # nothing is behind where there is no sound
        if not clause.sounds:
            if rest:
                raise _Unknown(rest[-1])
            return
        top = max(rank for rank, _ in clause.sounds)
        if top == 0 and (telling := clause.behind + clause.participles):
            raise _Unknown(telling[-1])
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
            self._so_far = NOTHING if self._keep else EVERYTHING
        if self._keep:
            self._so_far = union(self._so_far, asked)
            self._named |= {own.labels[0] for own in parts if len(own.matches) == 1 and not own.inverted}
        else:
            self._so_far = union(minus(self._so_far, asked), self._spared(parts))
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
        return minus(narrow, wide) == NOTHING
    return all(within(label, wide.labels) for label in narrow.labels)
