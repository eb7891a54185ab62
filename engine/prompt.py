# TEMPORARY stub by the lead until helper C's file lands: C, overwrite this.
from __future__ import annotations
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from engine.errors import BadInput, UnknownPrompt
@dataclass(frozen=True, slots=True)
class Span:
    start_s: float
    end_s: float
    include: bool = True
@dataclass(frozen=True, slots=True)
class Point:
    x: float
    y: float
    label: int = 1
    object_id: int = 0
    pts: int | None = None
@dataclass(frozen=True, slots=True)
class Box:
    x_min: float
    y_min: float
    x_max: float
    y_max: float
    object_id: int = 0
    pts: int | None = None
@dataclass(frozen=True, slots=True)
class Target:
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
    label: str
    score: float
@dataclass(frozen=True, slots=True)
class ConceptSet:
    matches: tuple[Match, ...]
    inverted: bool = False
    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(m.label for m in self.matches)
def understand(prompt: str, known: Collection[str]) -> ConceptSet:
    text = prompt.strip().lower()
    if not text or len(text) > 2000:
        raise BadInput("prompt", "1 to 2000 characters", prompt)
    inverted = text.startswith("everything but ")
    text = text.removeprefix("everything but ")
    found = tuple(Match(p, 1.0) for p in text.split(" and ") if p in known)
    if len(found) != len(text.split(" and ")):
        raise UnknownPrompt(prompt, tuple(list(known)[:3]))
    return ConceptSet(found, inverted)
def union_of(sets: Sequence[ConceptSet]) -> ConceptSet:
    seen = {m.label: m for s in sets for m in s.matches}
    return ConceptSet(tuple(seen.values()))
