"""The grammar of prompts: from words in their order to what they keep and remove.

A phrase is read from left to right, longest lexicon phrase first. Words for sounds form clauses; clauses form a set;
words that keep or remove say what the set does to what was asked for so far:

- It starts with nothing where the first word keeps (or is just a sound), with everything where it removes. "X without
  Y" is X minus Y, which is X wherever the two do not overlap ("speech but not the man" is the woman); "remove the music
  but keep the drums" is everything but music without drums. `only`, `just` and their like forget what was removed
  before; "except" and "but" turn keeping into removing and the reverse; "and" continues.
- What stands before a verb, it takes back to the last comma: "dog, rain muted" is the dog, "dog and rain muted" is all
  else. So does a verb that nothing follows ("make the dog stop", "music: no"). What stands behind it, it takes to the
  end ("mute dog, rain"), but a voice named beside noise is what the noise is removed from ("no noise, speech").
- Some verbs do both: "clean up the dialogue" and "clean up the wind", "filter the speech" and "filter the noise" ask
  for opposites. The object decides (`_MEANT`). "Filter out" and "filter for" leave no doubt, nor does "to": whoever
  cuts or fades *to* the speech wants to hear it.
- A comparative before a sound describes it ("the quieter man"), behind it turns it down ("make the man quieter").
- Within a clause a narrower concept beats a wider one ("piano music" is piano), and a sound beats an act and an agent
  (`lexicon`). What follows a preposition behind a sound ("… in the kitchen", "… over the music") says where it is heard
  and is not asked for.
- Harmless words (adjectives and adverbs by list or by their relatives, see `english`; places) are dropped beside a
  sound. Any other word refuses (`Unread`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from engine.concepts import EVERYTHING, NOTHING, ConceptSet, Match, joined, minus, union, union_of, within
from engine.english import is_participle, is_quality
from engine.lexicon import BOUNDARY, SOUND, Entry, Lexicon, Word

_SOURCE = 3
"""Rank of what names a sound or what makes it."""

_VERBS = {role: role for role in ("keep", "remove", "clean", "filter")} | {"cease": "remove", "not": "remove"}
"""Roles that may stand behind their object ("make the dog stop", "noise filter", "music: no") → what they do to it."""
_TURNING = _VERBS.keys() | {"only", "post_remove", "off", "out", "lessened", "without", "flip"}
_MEANT = {"clean": ("kind:voice", "kind:music"), "filter": ("kind:voice",)}
"""What a verb keeps that may keep or remove. Speech and music are cleaned, a voice is filtered for; all else is what
they are cleaned of. "Filter the music" might be either; most often it is in the way."""


class Unread(Exception):
    """`typed` means nothing that the model knows; `phrase` is how the lexicon has it, where it does."""

    def __init__(self, typed: str, phrase: str | None = None) -> None:
        super().__init__(typed)
        self.typed, self.phrase = typed, phrase or typed


@dataclass(slots=True)
class _Clause:
    """What was read since the last conjunction."""

    sounds: list[tuple[int, ConceptSet]] = field(default_factory=list)
    """Rank and meaning of each."""
    beside: list[str] = field(default_factory=list)
    """Words that are harmless only beside a sound."""
    behind: list[str] = field(default_factory=list)
    """Those of them that are nouns and stand behind a sound: "my uncle's birthday" is about no uncle."""
    participles: list[str] = field(default_factory=list)
    """Words that are harmless beside a sound, but not beside an agent ("dog running", but not "man eating")."""
    elsewhere: bool = False
    """Whether what follows says where or when, or what is said already."""
    last: str = ""
    """Role of the last word, empty at the beginning."""
    last_word: str = ""


class PhraseReader:
    """Reads the words of one prompt; `result` once."""

    def __init__(self, lexicon: Lexicon, words: Sequence[Word], known: frozenset[str]) -> None:
        self._lexicon, self._words, self._known = lexicon, words, known
        self.named_any = False
        """Whether the words name a sound at all."""
        self._so_far: ConceptSet | None = None
        self._kept_any = False
        self._named: set[str] = set()
        self._verb = "keep"
        """Role of what decides about the chain: `keep`, `remove`, `clean` or `filter`."""
        self._negated, self._negation_decides, self._wish_negated = False, False, False
        self._chain: list[list[ConceptSet]] = []
        """Clauses under one verb, in groups: "and" continues a group, a comma alone begins one."""
        self._begins_group = False
        self._signed = False
        """Whether the chain stands under a minus."""
        self._clause = _Clause()
        self._ends_with_verb = False

    def result(self) -> ConceptSet:
        """What the words ask for; inverted and empty where nothing was named."""
        self._ends_with_verb = self._last_role() in _TURNING
        at = 0
        while at < len(self._words):
            word = self._words[at]
            if word.text == BOUNDARY:
                self._end_clause()
                self._end_sign()
                self._begins_group = True
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
        self._end_chain()
        return self._so_far or EVERYTHING

    def _take(self, entry: Entry, words: Sequence[Word], score: float, after: int) -> None:
        text = " ".join(word.text for word in words)
        role = self._in_place(entry.role, words, after)
        if role in _TURNING or role.startswith("post_"):
            self._turn(role, text, after)
            self._clause.elsewhere = (role, entry.role) == ("post_remove", "cease")  # "make the dog stop barking"
        elif role == "split":
            self._end_chain() if text == "with" else self._end_clause()
            self._begins_group = False
        elif role == "context":
            self._clause.elsewhere = self._clause.elsewhere or bool(self._clause.sounds)
        elif not self._clause.elsewhere or (role == "everything" and self._ahead(after) in _TURNING):
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

    def _in_place(self, role: str, words: Sequence[Word], after: int) -> str:
        """The role of an entry for what stands before and behind it."""
        clause, bare = self._clause, all(word.typed == word.base for word in words)
        if role == "lessened":
            describes = not clause.sounds and self._ahead(after, ("filler", "harmless")) == SOUND
            return "harmless" if describes else "post_remove"
        if role == "off":  # "rain coming down" has a verb before it, "a siren down the street" a place behind it
            after_verb = clause.last_word.endswith("ing") and clause.last != SOUND
            return "filler" if after_verb else "context" if self._is_place(after) else "post_remove"
        if role == "out":  # "drums out", but not "birds flying away" or "a siren out on the street"
            alone = not clause.last or (len(clause.sounds) == 1 and clause.last == SOUND)
            ends = self._ahead(after) in _TURNING | {BOUNDARY, "split"}
            return "post_remove" if alone and ends and not clause.last_word.endswith("ing") else "filler"
        if role == "cease" and clause.sounds:
            return "post_remove" if bare else "filler"  # "make the dog stop", "the dog stops"
        if role in _VERBS and clause.last != "context" and self._is_last(after):
            return "post_" + _VERBS[role] if bare or role == "keep" else "filler"  # "a man cutting"
        return "remove" if role == "cease" else role

    def _is_place(self, at: int) -> bool:
        """Whether word `at` begins a place, or a thing that is one ("street")."""
        found = self._lexicon.find(self._words, at)
        return found is not None and (found[0].role, found[0].rank) in (("place", 0), (SOUND, 1))

    def _is_last(self, after: int) -> bool:
        """Whether a verb whose object would begin at word `after` has its object before it instead."""
        if not (self._chain or self._clause.sounds) or self._ahead(after) != BOUNDARY:
            return False
        refers_back = self._words[after : after + 1] and self._words[after].text in ("it", "them", "that")
        return bool(self._clause.last or self._ends_with_verb or refers_back) or after >= len(self._words)

    def _ahead(self, at: int, passed: Collection[str] = ("filler",)) -> str:
        """Role of the first entry from word `at` on that is not `passed`; BOUNDARY at the end of a clause."""
        while at < len(self._words) and self._words[at].text != BOUNDARY:
            found = self._lexicon.find(self._words, at)
            if found is None or found[0].role not in passed:
                return found[0].role if found else ""
            at += found[1]
        return BOUNDARY

    def _last_role(self) -> str:
        """Role of the last entry of the prompt."""
        last = max((at for at, word in enumerate(self._words) if word.text != BOUNDARY), default=-1)
        return self._ahead(last, ()) if last >= 0 else BOUNDARY

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
        follows = self._ahead(after, ("filler", "harmless"))
        if follows == SOUND or (follows == "keep" and role == "maybe_everything"):
            return
        self._end_chain()
        self._chain.append([EVERYTHING])

    def _turn(self, role: str, text: str, after: int) -> None:
        """A word that says whether what follows (with `post_remove`: what came before) is kept."""
        last = self._clause.last
        self._end_clause()
        aside = after < len(self._words) and self._words[after].text == BOUNDARY
        if role in ("not", "without") and self._ahead(after + aside) in _TURNING and (aside or text == "minus"):
            self._begins_group = True  # "no, keep the dog", "speech - keep the man"
            return
        if role == "keep" and last == "remove":
            return  # "tired of listening to"
        if role == "post_keep" and len(self._chain) == 1:
            role = "keep"  # what follows, then: there is nothing before it but what was said
        if role.startswith("post_"):
            spared = role == "post_remove" and (self._negated or self._wish_negated)
            self._turn_back("keep" if spared else role.removeprefix("post_"))
            return
        self._end_chain()
        self._signed = text == "minus"
        moves_to = self._words[after : after + 1] and self._words[after].text == "to"  # "cut to the speech"
        self._wish_negated = role == "keep" and self._negated
        if role == "without" and self._ahead(after) == BOUNDARY:
            raise Unread(text)
        if role in ("not", "without"):
            self._verb, self._negated, self._negation_decides = "remove", True, True
        elif role == "flip":
            if self._verb == "remove" and self._negation_decides and text == "but":
                self._forget_removals()  # "no animals but the dog"
            self._verb, self._negated = "keep" if self._verb == "remove" else "remove", False
        elif role in ("remove", "clean", "filter"):
            verb = "keep" if moves_to else role
            self._verb, self._negation_decides = "keep" if self._negated else verb, False
        else:
            self._verb = "remove" if self._negated else "keep"
            if role == "only" and not self._negated:
                self._forget_removals()

    def _turn_back(self, verb: str) -> None:
        """Apply a verb to what stands before it, back to a comma; where nothing does, to what follows."""
        last, before = self._chain[-1:], self._verb
        self._chain = self._chain[:-1]
        self._end_chain()
        self._verb, self._chain = verb, last
        self._end_chain()
        self._verb = before if last else verb

    def _end_sign(self) -> None:
        """A minus reaches to the next comma or sound: "-music speech" is speech."""
        if self._signed:
            self._end_chain()
            self._verb, self._signed = "keep", False

    def _forget_removals(self) -> None:
        if not self._kept_any and self._so_far is not None:
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
        clause, self._clause = self._clause, _Clause()
        rest = clause.beside + clause.participles  # nothing is behind where there is no sound
        if not clause.sounds:
            if rest:
                raise Unread(rest[-1])
            return
        top = max(rank for rank, _ in clause.sounds)
        if top == 0 and (telling := clause.behind + clause.participles):
            raise Unread(telling[-1])
        if self._begins_group or not self._chain:
            self._chain.append([])
        self._chain[-1].append(_narrowed(clause.sounds))
        self._negated = self._begins_group = False

    def _end_chain(self) -> None:
        """Apply the clauses gathered under one word that keeps or removes."""
        self._end_clause()
        groups, self._chain = self._chain, []
        if self._verb == "keep":
            self._apply([own for group in groups for own in group], keep=True)
            return
        meant = [label for name in _MEANT.get(self._verb, ()) for label in self._lexicon.meaning(name).scores]
        noise_gone = False
        for group in groups:
            wanted = [own for own in group if not own.inverted and all(within(label, meant) for label in own.labels)]
            if noise_gone and self._so_far is not None and minus(union_of(group), self._so_far) == NOTHING:
                wanted = group  # "no noise, speech"
            self._apply([own for own in group if own not in wanted], keep=False)
            self._apply(wanted, keep=True)
            noise_gone = noise_gone or any(own.inverted for own in group)

    def _apply(self, parts: Sequence[ConceptSet], *, keep: bool) -> None:
        """Add the parts to what was asked for so far, or take them from it."""
        # "keep the dog, mute everything else" and "remove the dog, keep everything else" say what already holds
        told = self._kept_any if not keep else self._so_far is not None and self._so_far.inverted
        parts = [own for own in parts if not (told and own == EVERYTHING)]
        if not parts:
            return
        asked = union_of(parts)
        if self._so_far is None:
            self._so_far = NOTHING if keep else EVERYTHING
        if not keep:
            self._so_far = union(minus(self._so_far, asked), self._spared(parts))
            return
        left_of_noise = not self._kept_any and not self._so_far.inverted and minus(asked, self._so_far) == NOTHING
        self._so_far = asked if left_of_noise else union(self._so_far, asked)
        self._named |= {own.labels[0] for own in parts if len(own.matches) == 1 and not own.inverted}
        self._kept_any = True


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
