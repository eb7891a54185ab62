"""What the verbs of a prompt do with the clauses beside them: keep, remove, turn round what was said.

Clauses gather in a chain under the last verb, until another verb comes:

- Where the first word keeps (or is just a sound), nothing is asked for but what follows; where it removes, everything
  but that (`phrase_asked`). `only`, `just` and their like forget what was removed before; "except" and "but" turn
  keeping into removing and the reverse; "and" continues.
- What stands before a verb, it takes back to the last comma: "dog, rain muted" is the dog, "dog and rain muted" is all
  else. So does a verb that nothing follows ("make the dog stop", "music: no"), but not to what another verb turns up
  ("turn up the rain and the wind down"). What stands behind it, it takes to the end ("mute dog, rain"), but a voice
  named beside noise is what the noise is removed from ("no noise, speech").
- What is said in place of something denied is all that is asked for: "not the man, the woman", as "not the man but …";
  "I don't want the dog, I want the siren"; "mute the crowd, commentary only". "The man, no, the woman" takes a slip
  back.
- What a verb did last, "but", "except" and "not" turn round: "all muted but the dog", "mute the dog, not the cat",
  "everything except the dog muted" (but a comma before "muted" lets the dog be muted).
- Some verbs do both: "clean up the dialogue" and "clean up the wind", "filter the speech" and "filter the noise" ask
  for opposites. The object decides (`_MEANT`). "Filter out" and "filter for" leave no doubt, nor does "to": whoever
  cuts or fades *to* the speech wants to hear it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from engine.concepts import EVERYTHING, ConceptSet, union_of, within
from engine.lexicon import BOUNDARY, SOUND
from engine.phrase_asked import Asked
from engine.phrase_words import TURNING, Words

_CORRECTING = frozenset(("not", "instead of", "in place of", "rather than"))
"""Behind what these deny, a comma brings what is meant: "not the man, the woman", but "no dog, cat or rain"."""
_WISHES = frozenset((
    "want", "wants", "wanted", "wanna", "need", "like", "id like", "would like", "hear", "listen", "listen to",
    "prefer", "love", "give", "gimme", "get", "care about", "interested in", "looking for", "look for",
))  # fmt: skip
"""What these ask for is all that is asked for; "keep" and "leave" take nothing away."""
_RAISING = frozenset(("louder", "raise", "boost", "amplify"))
"""Verbs whose object is turned up, beside those that end with "up"."""
_MEANT = {"clean": ("kind:voice", "kind:music"), "filter": ("kind:voice",)}
"""What a verb keeps that may keep or remove. Speech and music are cleaned, a voice is filtered for; all else is what
they are cleaned of. "Filter the music" might be either; most often it is in the way."""


class Chain:
    """The clauses under one verb, and what was asked for before it.

    Args:
        words: the prompt, to look ahead.
        labels_of: the labels that a kind stands for.
    """

    def __init__(self, words: Words, labels_of: Callable[[str], Collection[str]]) -> None:
        self._at, self._labels_of = words, labels_of
        self._asked = Asked()
        self.groups: list[list[ConceptSet]] = []
        """Clauses under one verb: "and" continues a group, a comma alone begins one."""
        self.begins_group = False
        self.verb = "keep"
        """Role of what decides about the chain: `keep`, `remove`, `clean` or `filter`."""
        self.verb_text, self._stated = "", ""
        """The word that decides, and its role where it is no "but"."""
        self._turned_back = ""
        """What was done last to what stands before it, if no sound was named since: "all muted but the dog"."""
        self._negated, self._negation_decides = False, False
        self._wish_negated = ""
        """The last word that keeps, if it is denied: "I don't want"."""
        self._wished_instead = False
        """Whether the chain is wished for behind a wish that was denied: "I don't want the dog, I want the cat"."""
        self._corrected = False
        """Whether the chain stands under a "not" with nothing kept before it: "not the man, the woman"."""
        self._lacking: list[ConceptSet] = []
        """What the sound to come is free of: "music-free speech"."""
        self.signed = False
        """Whether the chain stands under a minus."""
        self._all_but = False
        """Whether the chain is what "everything except" excepts."""

    def add(self, clause: ConceptSet) -> None:
        """Put what a clause means under the verb."""
        if self.begins_group or not self.groups:
            self.groups.append([])
        self.groups[-1].append(clause)
        self._negated = self.begins_group = False
        self._turned_back = ""
        if self._lacking:
            gone, self._lacking = self._lacking, []
            self.lack(gone)

    def add_everything(self) -> None:
        """Put everything under the verb, and nothing beside it."""
        self.end()
        self.groups.append([EVERYTHING])

    def lack(self, gone: Sequence[ConceptSet]) -> None:
        """Take away what the last clause is without."""
        self.end()
        self._asked.remove(gone)

    def free(self, clause: ConceptSet, *, describes: bool) -> None:
        """Take away what stands before "free": from the sound behind it if it `describes` one, else from all."""
        lacking, self._lacking = self._lacking, []  # "music-free rain-free speech"
        self.add(clause)
        self.groups[-1].extend(lacking)
        if self.verb == "keep" and describes:
            self._lacking = self.groups.pop()
        else:
            self._turn_back("remove")

    def turn(self, role: str, text: str, last: str, after: int) -> None:
        """Take in a word that says whether what follows (with `post_`: what came before) is kept.

        `last` is the role of the word before it in its clause; what follows begins with word `after`.
        """
        if self._goes_on(role, text, last, after) or self._takes_back(role, text, last, after):
            return
        if role == "post_keep" and len(self.groups) == 1:
            role = "keep"  # what follows, then: there is nothing before it but what was said
        if role.startswith("post_"):
            self._turn_behind(role.removeprefix("post_"), text, last)
            return
        self.end()
        self._decide(role, text, self._at.text(after) == "to")

    def end_sign(self) -> None:
        """A minus reaches to the next comma or sound: "-music speech" is speech."""
        if self.signed:
            self.end()
            self.verb, self.signed = "keep", False

    def result(self) -> ConceptSet:
        """What is asked for in the end; everything where nothing was said."""
        self.end()
        return self._asked.all_in_all

    def end(self) -> None:
        """Apply the clauses gathered under one word that keeps or removes."""
        groups, self.groups = self.groups, []
        if self._corrected and len(groups) == 2 and len(groups[1]) == 1:  # "not the man, the woman"
            self._asked.remove(groups[0])
            self._asked.forget_removals()
            self._asked.keep(groups[1])
            return
        if self.verb == "keep":
            if self._wished_instead and groups:
                self._asked.forget_removals()
            self._asked.keep([own for group in groups for own in group])
            return
        meant = [label for name in _MEANT.get(self.verb, ()) for label in self._labels_of(name)]
        noise_gone = False
        for group in groups:
            wanted = [own for own in group if not own.inverted and all(within(label, meant) for label in own.labels)]
            if noise_gone and self._asked.holds(union_of(group)):
                wanted = group  # "no noise, speech"
            self._asked.remove([own for own in group if own not in wanted])
            self._asked.keep(wanted)
            noise_gone = noise_gone or any(own.inverted for own in group)

    def _goes_on(self, role: str, text: str, last: str, after: int) -> bool:
        """Whether the word changes nothing about what is done, but at most begins another group."""
        aside = self._at.text(after) == BOUNDARY
        if role in ("not", "without") and self._at.ahead(after + aside) in TURNING and (aside or text == "minus"):
            self.begins_group = True  # "no, keep the dog", "speech - keep the man"
            return True
        if text == "minus" and self._corrected and self.groups:
            self.begins_group = True  # "not the man - the woman"
            return True
        if role == "keep" and last == "remove":
            return True  # "tired of listening to"
        # "mute the crowd only"
        return role == "only" and self.verb == "remove" and len(self.groups) == 1 and self._at.ahead(after) == BOUNDARY

    def _takes_back(self, role: str, text: str, last: str, after: int) -> bool:
        """Whether the word judges the last group alone: it was a slip of the tongue, or is all that is kept."""
        if text == "no" and self.groups and not last and self._at.text(after) == BOUNDARY and self._at.answers_once:
            if self._at.ahead(after + 1) != SOUND:
                return False
            self.groups.pop()  # "the man, no, the woman"
            self.begins_group = True
            return True
        if role == "only" and self.verb == "remove" and len(self.groups) > 1 and self._at.ahead(after) == BOUNDARY:
            kept = self.groups.pop()  # "mute the crowd, commentary only"
            self.end()
            self._asked.forget_removals()
            self.verb, self.groups = "keep", [kept]
            return True
        return False

    def _turn_behind(self, verb: str, text: str, last: str) -> None:
        """A verb that stands behind its object."""
        spared = verb == "remove" and (self._negated or self._wish_negated != "")
        self._all_but = self._all_but and bool(last) and "loud" not in text
        raises = self.verb == "keep" and (self.verb_text.endswith(" up") or self.verb_text in _RAISING)
        if verb == "remove" and raises and len(self.groups) == 1 and len(self.groups[0]) > 1:
            self.groups = [self.groups[0][:1], self.groups[0][1:]]  # "turn up the rain and the wind down"
        self._turn_back("keep" if spared else verb)

    def _decide(self, role: str, text: str, moves_to: bool) -> None:
        """A verb that stands before its object; `moves_to` where "to" follows: "cut to the speech"."""
        self.signed, self.verb_text, self._all_but = text == "minus", text, False
        stated, self._stated = self._stated, self._stated if role == "flip" else role
        self._corrected = text in _CORRECTING and not self._asked.kept_any
        wishes = role == "keep" and not self._negated and (text in _WISHES or text == self._wish_negated)
        self._wished_instead = wishes and (self._wish_negated != "" or self._wished_instead)
        self._wish_negated = text if role == "keep" and self._negated else ""
        if text == "not" and not self._asked.kept_any and "remove" in (self._turned_back, stated):
            self.verb = "keep"  # "mute the dog, not the cat"
        elif role in ("not", "without"):
            self.verb, self._negated, self._negation_decides = "remove", True, True
        elif role == "flip":
            if self.verb == "remove" and self._negation_decides and text == "but":
                self._asked.forget_removals()  # "no animals but the dog"
            self.verb, self._negated = "keep" if (self._turned_back or self.verb) == "remove" else "remove", False
            self._all_but = self._asked.is_everything
        elif role in ("remove", "clean", "filter"):
            self.verb, self._negation_decides = "keep" if self._negated or moves_to else role, False
        else:
            self.verb = "remove" if self._negated else "keep"
            if role == "only" and not self._negated:
                self._asked.forget_removals()

    def _turn_back(self, verb: str) -> None:
        """Apply a verb to what stands before it, back to a comma; where nothing does, to what follows."""
        groups = self.groups
        if verb == "remove" and self._all_but and groups and (len(groups) == 1 or len(groups[-1]) > 1):
            self._asked.begin_anew()  # "everything except the speech muted"
            self.verb, self._all_but = "keep", False
            self.end()
            return
        last, before = self.groups[-1:], self.verb
        self.groups = self.groups[:-1]
        self.end()
        self.verb, self.groups = verb, last
        self.end()
        self.verb = before if last else verb
        self._turned_back = verb if last else ""
