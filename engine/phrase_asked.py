"""What a prompt has asked for so far: a set of concepts that clauses are added to and taken from.

It starts with nothing where the first word keeps (or is just a sound), with everything where it removes. "X without Y"
is X minus Y, which is X wherever the two do not overlap ("speech but not the man" is the woman); "remove the music but
keep the drums" is everything but music without drums.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.concepts import EVERYTHING, NOTHING, ConceptSet, minus, union, union_of


class Asked:
    """Sets are kept and removed in the order in which they are said."""

    def __init__(self) -> None:
        self.kept_any = False
        self._so_far: ConceptSet | None = None
        self._named: set[str] = set()
        """Labels of what was kept by a word for it alone."""
        self._denied = NOTHING
        """What was removed before "only" and the like began anew."""

    @property
    def all_in_all(self) -> ConceptSet:
        """What is asked for; everything where nothing was said."""
        return self._so_far or EVERYTHING

    @property
    def is_everything(self) -> bool:
        """Whether everything was asked for in so many words."""
        return self._so_far == EVERYTHING

    def holds(self, asked: ConceptSet) -> bool:
        """Whether all of a set is asked for by now."""
        return self._so_far is not None and minus(asked, self._so_far) == NOTHING

    def begin_anew(self) -> None:
        """Ask for nothing, whatever was said."""
        self._so_far = NOTHING

    def forget_removals(self) -> None:
        """Begin anew where so far was only said what not to keep."""
        if not self.kept_any and self._so_far is not None:
            self._denied, self._so_far = ConceptSet(self._so_far.matches), NOTHING

    def remove(self, parts: Sequence[ConceptSet]) -> None:
        """Take parts away, but not what was kept by name and is only part of something wider."""
        parts = [own for own in parts if not (self.kept_any and own == EVERYTHING)]  # "keep the dog, mute the rest"
        if parts:
            so_far = EVERYTHING if self._so_far is None else self._so_far
            self._so_far = union(minus(so_far, union_of(parts)), self._spared(parts))

    def keep(self, parts: Sequence[ConceptSet]) -> None:
        """Add parts; where all but noise was taken away, they are what is meant of the rest."""
        so_far = NOTHING if self._so_far is None else self._so_far
        parts = [own for own in parts if not (so_far.inverted and own == EVERYTHING)]  # "remove the dog, keep the rest"
        if not parts:
            return
        if self._denied != NOTHING:  # "no drums, just music", but "no animals, just the dog"
            parts = [own if (left := minus(own, self._denied)) == NOTHING else left for own in parts]
        asked = union_of(parts)
        left_of_noise = not self.kept_any and not so_far.inverted and minus(asked, so_far) == NOTHING
        self._so_far = asked if left_of_noise else union(so_far, asked)
        self._named |= {own.labels[0] for own in parts if len(own.matches) == 1 and not own.inverted}
        self.kept_any = True

    def _spared(self, removed: Sequence[ConceptSet]) -> ConceptSet:
        """What a wider word does not take from what was kept: named alone ("vocals without the music"), or no noise."""
        if self._so_far is None or self._so_far.inverted or all(len(own.matches) == 1 for own in removed):
            return NOTHING
        if any(own.inverted for own in removed):
            return self._so_far
        return ConceptSet(tuple(match for match in self._so_far.matches if match.label in self._named))
