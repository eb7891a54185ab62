"""What a word of the grammar does in its place: the role that the lexicon gives it, judged by its neighbours.

- A verb that keeps or removes stands before its object ("mute the dog") or behind it ("make the dog stop", "noise
  filter", "music: no"); "off", "down" and "out" may also say where something is or moves.
- A comparative before a sound describes it ("the quieter man"), behind it turns it down ("make the man quieter"). Where
  another sound is turned up, it turns down what stands behind it: "louder speech, quieter crowd".
- "Keep", "need" and "want" behind a sound may only lead to another verb: "the siren is what I want removed".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.lexicon import BOUNDARY, SOUND, Word
from engine.phrase_chain import Chain
from engine.phrase_clause import Clause
from engine.phrase_words import BESIDE, OTHER, TURNING, VERBS, Words

_LIKING = frozenset(("i", "we", "they", "he", "she", "not", "dont", "doesnt"))
"""Behind these, "like" is a verb: "I like the piano", but "sounds like rain"."""
_LESSENED = frozenset(("quieter", "softer", "less loud"))
_DROWNING = frozenset(("drown", "drown out"))


@dataclass(frozen=True, slots=True)
class Place:
    """Where an entry stands that ends before word `after`."""

    words: Words
    after: int
    clause: Clause
    chain: Chain
    """Clauses before it under the last verb."""

    def role(self, role: str, said: Sequence[Word]) -> str:
        """What the entry of `role` does here: that role or another, with `post_` for what it does to what stands before
        it; `free` takes away what it stands behind."""
        text, bare = " ".join(word.text for word in said), all(word.typed == word.base for word in said)
        clause, words, after = self.clause, self.words, self.after
        if role in ("filler", "context", "not", "keep") and (clause.sounds or self.chain.groups):
            role = self._behind_a_sound(role, text)
        if text in _DROWNING and clause.sounds:
            return "post_remove"  # "the music drowns out the speech": what drowns is in the way
        if role == "cease" and words.ahead(after) in ("remove", "clean", "filter"):
            return "not"  # "stop muting the speech"
        if role == "only" and clause.last in ("remove", "without"):
            return "filler"  # "mute only the crowd"
        if text == "like" and words.text(after - 2) in _LIKING:
            return "keep"
        if (
            role == "remove"
            and text.startswith("un")
            and self.chain.verb_text
            and self._describes
            and not clause.sounds
        ):
            return "harmless"  # "no unwanted noise"
        if role == "lessened":
            return self._lessened(text)
        if role in ("off", "out"):
            return self._particle(role)
        if role == "cease" and clause.sounds:
            return "post_remove" if bare else "filler"  # "make the dog stop", "the dog stops"
        if role in VERBS and clause.last != "context" and self._is_last():
            return "post_" + VERBS[role] if bare or role == "keep" else "filler"  # "a man cutting"
        return "remove" if role == "cease" else role

    @property
    def _describes(self) -> bool:
        """Whether a sound follows that may be described."""
        return self.words.ahead(self.after, BESIDE) == SOUND

    def _lessened(self, text: str) -> str:
        """The role of "quieter" and its like."""
        clause = self.clause
        if text in _LESSENED and self._describes:
            first = self.words.raised_from
            if self.words.raises_any if not clause.sounds else first is not None and first < self.after:
                return "remove"  # "louder speech quieter crowd", but "dog quieter cat louder"
        if text == "quiet" and (clause.last != SOUND or self._describes):
            return "harmless"  # "the man is quiet", "music, quiet singing", but "keep the dog quiet"
        if text == "free" and clause.sounds:
            return "filler" if clause.elsewhere else "free"
        return "harmless" if self._describes and not clause.sounds else "post_remove"

    def _particle(self, role: str) -> str:
        """The role of "off", "down", "out" and "away"."""
        clause, words, after = self.clause, self.words, self.after
        quantified = clause.last in ("everything", "maybe_everything")
        moving = clause.last_word.endswith("ing") and not quantified
        if role == "off":  # "rain coming down" has a verb before it, "a siren down the street" a place behind it
            after_verb = moving and clause.last != SOUND
            return "filler" if after_verb else "context" if words.is_place(after) else "post_remove"
        # "drums out", but not "birds flying away" or "a siren out on the street"
        alone = clause.last in ("", "everything") or (len(clause.sounds) == 1 and clause.last == SOUND)
        ends = words.ahead(after) in TURNING | {BOUNDARY, "split"}
        return "post_remove" if alone and ends and not moving else "filler"

    def _behind_a_sound(self, role: str, text: str) -> str:
        """The role of a small word that stands behind a sound."""
        words, clause, after = self.words, self.clause, self.after
        ahead = words.ahead(after)
        if text == "more" and ahead == SOUND and self.chain.verb == "remove":
            return "keep"  # "less music more speech"
        if text == "to" and ahead == SOUND and self.chain.verb_text == "prefer":
            return "without"  # "I prefer the rain to the music"
        if text == "on" and clause.last == SOUND and ahead in ("split", BOUNDARY):
            return "post_keep"  # "voice on / music off"
        if text == "up" and clause.last == SOUND and ahead in ("split", SOUND) and words.goes_down(after):
            return "post_keep"  # "voice up music down"
        if text == "from" and self.chain.verb_text == "keep" and words.text(after):
            acts = words.acts(after) and not any(own.inverted for _, own in clause.sounds)
            return "post_remove" if acts else role  # "keep the dog from barking"
        if role == "not" and ahead == "keep" and words.ahead(after, ("filler", "keep")) == BOUNDARY:
            return "post_remove"  # "it is the siren I do not want to hear"
        if role == "keep" and clause.sounds and (ahead in ("off", "out", "cease") or ahead.startswith("post_")):
            return "filler"  # "the siren is what I want removed", "the music needs to stop"
        if text in ("keeps", "kept") and clause.sounds and words.acts(after):
            return "filler"  # "my phone keeps ringing, mute it"
        return role

    def _is_last(self) -> bool:
        """Whether a verb whose object would begin behind it has its object before it instead."""
        words, after = self.words, self.after
        if not (self.chain.groups or self.clause.sounds):
            return False
        if words.ahead(after) != BOUNDARY or words.text(after) in OTHER:
            return self._names_again()
        refers_back = words.text(after) in ("it", "them", "that")
        return bool(self.clause.last) or words.ends_with_verb or refers_back or words.ends(after)

    def _names_again(self) -> bool:
        """Whether a word for what was named before follows: "a dog barks, mute him", but "the man, mute her"."""
        if self.chain.verb_text or not self.chain.groups or not self.words.refers_back(self.after):
            return False
        return all(OTHER[self.words.text(self.after)] not in own.labels for own in self.chain.groups[-1])
