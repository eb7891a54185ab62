"""Sets of known concepts and their algebra: union, difference, and the wider concepts that contain others."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from engine.lexicon import lexicon_for


@dataclass(frozen=True, slots=True)
class Match:
    """A concept that was understood, and how sure that is (0 to 1, see `phrase`)."""

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


NOTHING, EVERYTHING = ConceptSet(()), ConceptSet((), inverted=True)


@cache
def _wider() -> Mapping[str, str]:
    return lexicon_for().wider


def within(label: str, labels: Collection[str]) -> bool:
    """Whether a label or the wider one that contains it ("speech" contains "man speaking") is among `labels`."""
    return label in labels or _wider().get(label) in labels


def joined(one: Sequence[Match], other: Sequence[Match]) -> tuple[Match, ...]:
    """In either; the better score holds, and what a wider label contains is left out."""
    best: dict[str, float] = {}
    for match in (*one, *other):
        best[match.label] = max(match.score, best.get(match.label, 0.0))
    wider = _wider()
    return tuple(Match(label, score) for label, score in best.items() if wider.get(label) not in best)


def _common(one: Sequence[Match], other: Sequence[Match]) -> tuple[Match, ...]:
    """In both; of a wider and a contained label the contained one."""
    labels = [[match.label for match in part] for part in (one, other)]
    return joined([m for m in one if within(m.label, labels[1])], [m for m in other if within(m.label, labels[0])])


def _less(one: Sequence[Match], other: Sequence[Match]) -> tuple[Match, ...]:
    """In `one` only. Of a wider label that loses a part, the other parts that have a name remain."""
    gone, parts = {match.label for match in other}, _wider()
    left: list[Match] = []
    for match in one:
        inside = [label for label in parts if parts[label] == match.label]
        if gone.intersection(inside):
            left += [Match(label, match.score) for label in inside if not within(label, gone)]
        elif not within(match.label, gone):
            left.append(match)
    return joined(left, ())


def _complement(concepts: ConceptSet) -> ConceptSet:
    return ConceptSet(concepts.matches, not concepts.inverted)


def union(one: ConceptSet, other: ConceptSet) -> ConceptSet:
    """In either of two; see `union_of`."""
    a, b = one.matches, other.matches
    if one.inverted and other.inverted:
        return ConceptSet(_common(a, b), inverted=True)
    if one.inverted:
        return ConceptSet(_less(a, b), inverted=True)
    if other.inverted:
        return ConceptSet(_less(b, a), inverted=True)
    return ConceptSet(joined(a, b))


def minus(one: ConceptSet, other: ConceptSet) -> ConceptSet:
    """In `one` and not in `other`: A∖B = ¬(¬A ∪ B)."""
    return _complement(union(_complement(one), other))


def union_of(sets: Sequence[ConceptSet]) -> ConceptSet:
    """Everything that is in any of the sets: A ∪ ¬B = ¬(B∖A), ¬A ∪ ¬B = ¬(A∩B).

    "speech" contains "man speaking" and "woman speaking"; speech without one of them is the other. No set gives the
    empty set; everything is the inverted empty set.
    """
    result = NOTHING
    for concepts in sets:
        result = union(result, concepts)
    return result
