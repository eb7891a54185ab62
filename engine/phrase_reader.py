"""The reading of prompts: from words in their order to clauses, and what is asked for in the end.

A phrase is read from left to right, longest lexicon phrase first. Words for sounds form clauses; words that keep or
remove say what is done with them (`phrase_roles` tells which do so where they stand, `phrase_chain` what they do).

- "Music-free speech", "drumless music" and "make the speech music-free" are what they name, without the other.
- Within a clause a narrower concept beats a wider one ("piano music" is piano), and a sound beats an act and an agent
  (`lexicon`). What follows a preposition behind a sound ("… in the kitchen", "… over the music") says where it is heard
  and is not asked for.
- Harmless words (adjectives and adverbs by list or by their relatives, see `english`; places) are dropped beside a
  sound. Any other word refuses (`Unread`).
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.concepts import ConceptSet, Match, joined, minus
from engine.english import is_participle, is_quality
from engine.lexicon import BOUNDARY, SOUND, Entry, Lexicon, Word
from engine.phrase_chain import Chain
from engine.phrase_clause import Clause
from engine.phrase_roles import Place
from engine.phrase_words import BESIDE, TURNING, Words

_SOURCE = 3
"""Rank of what names a sound or what makes it."""


class Unread(Exception):
    """`typed` means nothing that the model knows; `phrase` is how the lexicon has it, where it does."""

    def __init__(self, typed: str, phrase: str | None = None) -> None:
        super().__init__(typed)
        self.typed, self.phrase = typed, phrase or typed


class PhraseReader:
    """Reads the words of one prompt; `result` once."""

    def __init__(self, lexicon: Lexicon, words: Sequence[Word], known: frozenset[str]) -> None:
        self._lexicon, self._words, self._known = lexicon, words, known
        self.named_any = False
        """Whether the words name a sound at all."""
        self._at = Words(lexicon, words)
        self._chain = Chain(self._at, lambda kind: lexicon.meaning(kind).scores)
        self._clause = Clause()

    def result(self) -> ConceptSet:
        """What the words ask for; inverted and empty where nothing was named."""
        at = 0
        while at < len(self._words):
            word = self._words[at]
            if word.text == BOUNDARY:
                self._end_clause()
                self._chain.end_sign()
                self._chain.begins_group = True
                at += 1
                continue
            found = self._lexicon.find(self._words, at)
            if found is None:
                self._unknown(word)
                self._clause.last, self._clause.last_word = "doing", word.text
                at += 1
                continue
            entry, length, score = found
            self._take(entry, self._words[at : at + length], score, at + length)
            at += length
        self._end_clause()
        return self._chain.result()

    def _take(self, entry: Entry, words: Sequence[Word], score: float, after: int) -> None:
        text = " ".join(word.text for word in words)
        place = Place(self._at, after, self._clause, self._chain)
        role = place.role(entry.role, words)
        if role == "free":
            self._free(after)
        elif role in TURNING or role.startswith("post_"):
            self._turn(role, text, after)
            # "make the dog stop barking", "keep the dog from barking", "mute him"
            told = entry.role in ("cease", "context") or self._at.refers_back(after)
            self._clause.elsewhere = role == "post_remove" and told
        elif role == "split":
            self._end_clause()
            if text == "with":
                self._chain.end()
            self._chain.begins_group = False
        elif role == "context":
            self._clause.elsewhere = self._clause.elsewhere or bool(self._clause.sounds)
        elif not self._clause.elsewhere or (role == "everything" and self._at.ahead(after) in TURNING):
            self._add(role, entry, words, score, after)
        self._clause.last, self._clause.last_word = role if role != "split" else "", words[-1].text

    def _add(self, role: str, entry: Entry, words: Sequence[Word], score: float, after: int) -> None:
        """Take in a word that is no part of the grammar."""
        typed = " ".join(word.typed for word in words)
        if role in ("everything", "maybe_everything"):
            self._everything(role, after)
        elif role == SOUND:
            if entry.rank == _SOURCE and any(rank == _SOURCE for rank, _ in self._clause.sounds):
                self._end_sign()
            self._clause.sounds.append((entry.rank, self._meaning(entry.name, score, typed)))
            self.named_any = True
        elif role == "refused":
            raise Unread(typed, " ".join(word.text for word in words))
        elif role == "place":
            (self._clause.behind if self._clause.sounds else self._clause.beside).append(typed)
        elif role == "doing":
            self._clause.participles.append(typed)

    def _meaning(self, name: str, score: float, typed: str) -> ConceptSet:
        meaning = self._lexicon.meaning(name)
        matches = [Match(l, round(s * score, 3)) for l, s in meaning.scores.items() if l in self._known]
        if not matches:
            raise Unread(typed, name if name in meaning.scores else None)
        return ConceptSet(joined(matches, ()), meaning.inverted)

    def _unknown(self, word: Word) -> None:
        """A word that the lexicon does not have."""
        if self._clause.elsewhere or word.text.isdecimal():
            return
        if is_quality(word.text):
            self._clause.beside.append(word.typed)
        elif is_participle(word.text):
            self._clause.participles.append(word.typed)
        else:
            raise Unread(word.typed)

    def _everything(self, role: str, after: int) -> None:
        """Everything is meant, unless the word only quantifies what follows ("all dogs", "everything musical")."""
        follows = self._at.ahead(after, BESIDE)
        if follows == SOUND or (follows == "keep" and role == "maybe_everything"):
            return
        self._end_clause()
        self._chain.add_everything()

    def _turn(self, role: str, text: str, after: int) -> None:
        """A word that says whether something is kept ends the clause before it."""
        last = self._clause.last
        if role == "post_keep" and text in ("on", "up"):
            self._chain.begins_group = True  # "voice on / music off"
        self._end_clause()
        aside = self._at.text(after) == BOUNDARY
        if role == "without" and self._at.ahead(after) == BOUNDARY and self._at.ahead(after + aside) not in TURNING:
            raise Unread(text)
        self._chain.turn(role, text, last, after)

    def _free(self, after: int) -> None:
        """What stands before "free" is taken from the sound behind it, or from the one before it in its clause:
        "music-free speech", "make the speech music-free". Else from all so far: "the dog, music-free"."""
        sounds = self._clause.sounds
        *before, (_, gone) = sounds
        if before and (gone.inverted or all(minus(own, gone).labels == own.labels for _, own in before)):
            sounds.pop()
            self._end_clause()
            self._chain.lack([gone])
        elif (meaning := self._taken_clause()) is not None:
            self._chain.free(meaning, describes=self._at.ahead(after, BESIDE) == SOUND)

    def _end_sign(self) -> None:
        """Another source ends what a minus stands before."""
        if self._chain.signed:
            self._end_clause()
            self._chain.end_sign()

    def _end_clause(self) -> None:
        """Put the clause under the last verb."""
        meaning = self._taken_clause()
        if meaning is not None:
            self._chain.add(meaning)

    def _taken_clause(self) -> ConceptSet | None:
        """What the clause means, nothing where it names no sound; another begins."""
        clause, self._clause = self._clause, Clause()
        rest = clause.beside + clause.participles  # nothing is behind where there is no sound
        if not clause.sounds:
            if rest:
                raise Unread(rest[-1])
            return None
        top = max(rank for rank, _ in clause.sounds)
        if top == 0 and (telling := clause.behind + clause.participles):
            raise Unread(telling[-1])
        return clause.meaning()
