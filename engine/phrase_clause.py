"""What stands between two conjunctions of a prompt: words for sounds, and words that are harmless beside them.

Within a clause a narrower concept beats a wider one ("piano music" is piano), and a sound beats an act and an agent
(the ranks of `lexicon`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.concepts import NOTHING, ConceptSet, minus, union_of, within


@dataclass(slots=True)
class Clause:
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

    def meaning(self) -> ConceptSet:
        """What its sounds (at least one) mean together: without sets that contain another of it; of the rest those of
        the highest rank."""
        distinct = tuple(dict.fromkeys(self.sounds))  # a word said 300 times costs no more than once
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
