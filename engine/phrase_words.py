"""The words of a prompt, looked at from any of them: what stands ahead, and what the whole prompt is like."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from engine.lexicon import BOUNDARY, SOUND, Lexicon, Word

VERBS = {role: role for role in ("keep", "remove", "clean", "filter")} | {"cease": "remove", "not": "remove"}
"""Roles that may stand behind their object → what they do to it."""
TURNING = VERBS.keys() | {"only", "post_remove", "off", "out", "lessened", "without", "flip"}
"""Roles of words that say whether something is kept."""
BESIDE = ("filler", "harmless")
"""Roles of words that may stand between another and the sound that it is about."""
_COURTESY = frozenset(("please", "pls", "plz", "kindly", "thanks", "thank", "you", BOUNDARY))
OTHER = {"him": "woman speaking", "her": "man speaking"}
"""Words for what was named before, and what cannot be meant."""


class Words:
    """The words of a prompt, looked at from any of them."""

    def __init__(self, lexicon: Lexicon, words: Sequence[Word]) -> None:
        self._lexicon, self._words = lexicon, words
        ends = [at for at, word in enumerate(words) if word.text != BOUNDARY]
        self.ends_with_verb = bool(ends) and self.ahead(ends[-1], ()) in TURNING
        self.raised_from = next((at for at in range(len(words)) if self._raises(at)), None)
        """The first comparative that turns up the sound behind it."""
        self._raised_behind = any(
            word.text == "louder" and self.ahead(at + 1) == BOUNDARY for at, word in enumerate(words)
        )
        self.answers_once = (
            not self.ends_with_verb and sum(word.text in ("no", "yes", "yeah", "yep") for word in words) == 1
        )
        """Whether there is one "no" and no "yes", so that it is no list: "music: no, speech: yes"."""

    @property
    def raises_any(self) -> bool:
        """Whether a comparative turns a sound up."""
        return self.raised_from is not None or self._raised_behind

    def text(self, at: int) -> str:
        """Word `at`, empty behind the last."""
        return self._words[at].text if 0 <= at < len(self._words) else ""

    def acts(self, at: int) -> bool:
        """Whether word `at` tells what is being done: "barking"."""
        return at < len(self._words) and self._words[at].typed.endswith("ing")

    def goes_down(self, at: int) -> bool:
        """Whether something is turned down from word `at` on."""
        return any(word.text in ("down", "off") for word in self._words[at:])

    def ends(self, at: int) -> bool:
        """Whether from word `at` on there is nothing but a word of courtesy."""
        return all(word.text in _COURTESY for word in self._words[at:])

    def ahead(self, at: int, passed: Collection[str] = ("filler",)) -> str:
        """Role of the first entry from word `at` on that is not `passed`; BOUNDARY at the end of a clause."""
        while at < len(self._words) and self._words[at].text != BOUNDARY:
            found = self._lexicon.find(self._words, at)
            if found is None or found[0].role not in passed:
                return found[0].role if found else ""
            at += found[1]
        return BOUNDARY

    def refers_back(self, at: int) -> bool:
        """Whether a clause ends with word `at`, which is one for what was named before: "mute him"."""
        return self.text(at) in OTHER and self.ahead(at + 1) == BOUNDARY

    def is_place(self, at: int) -> bool:
        """Whether word `at` begins a place, or a thing that is one ("street")."""
        found = self._lexicon.find(self._words, at)
        return found is not None and (found[0].role, found[0].rank) in (("place", 0), (SOUND, 1))

    def _raises(self, at: int) -> bool:
        """Whether word `at` turns up the sound behind it: "louder speech", "more of the rain"."""
        after = at + 1 + (self.text(at + 1) == "of")
        return self.text(at) in ("louder", "more") and self.ahead(after, ("harmless",)) == SOUND
