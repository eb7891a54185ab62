"""What each output track is made of: which slot listens for which target, and how estimates become signals.

All at the model's rate, before resampling and gain. A plan does not change; an update makes a new one, and for one hop
both are computed and crossfaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from engine.concepts import ConceptSet
from engine.frames import Samples
from engine.prompt import Target
from engine.spans import NOTHING_KNOWN, Course, Moments

TAKEN = ""
"""Key of the signal that the residual is the input minus; a target's id is never empty."""


@dataclass(frozen=True, slots=True)
class Lane:
    """One target and the slot that listens for its concepts (None: there is nothing to listen for).

    `known` says when the target sounds and when not; `hints` is what its slot is told of that.
    """

    target: Target
    concepts: ConceptSet
    slot: int | None
    known: Course = NOTHING_KNOWN
    hints: Course = NOTHING_KNOWN


@dataclass(frozen=True, slots=True)
class Plan:
    """The lanes of a session, by target id, and where there are several, the lanes of their union.

    A union is one lane for each set of targets that are not off at the same time (`Lane.known`): without spans one.
    """

    lanes: Mapping[str, Lane]
    unions: tuple[Lane, ...] = ()
    adds_up: bool = False
    """What is taken of several targets is the sum of their estimates; there are no unions then."""
    # Worked out once: they are read for every hop.
    slots: tuple[int, ...] = field(init=False)
    """Every slot that must run, each once."""
    hears_input: bool = field(init=False)
    """Whether `signals` needs the input itself beside the estimates."""
    gated: bool = field(init=False)
    """Whether `signals` needs to know when the samples are."""

    def __post_init__(self) -> None:
        lanes = self.all_lanes
        slots = tuple(dict.fromkeys(lane.slot for lane in lanes if lane.slot is not None))
        object.__setattr__(self, "slots", slots)
        object.__setattr__(self, "hears_input", any(_hears_input(lane) for lane in lanes))
        object.__setattr__(self, "gated", any(lane.known is not NOTHING_KNOWN for lane in lanes))

    @property
    def all_lanes(self) -> tuple[Lane, ...]:
        """The targets' lanes, then the union's."""
        return (*self.lanes.values(), *self.unions)

    def signals(
        self, outputs: Mapping[int, Samples], heard: Samples | None, moments: Moments | None = None
    ) -> dict[str, Samples]:
        """Estimates by slot and the input `(channels, n)` → signal of each target id, and `TAKEN`.

        `moments` tells when the samples are, for lanes with spans.
        """
        made = {name: _signal(lane, outputs, heard, moments) for name, lane in self.lanes.items()}
        if self.unions:
            parts = [_signal(lane, outputs, heard, moments) for lane in self.unions]
            made[TAKEN] = parts[0] if len(parts) == 1 else np.sum(parts, axis=0, dtype=np.float32)
        elif len(made) == 1:
            (made[TAKEN],) = made.values()
        elif self.adds_up:
            made[TAKEN] = self._sum(made)
        return made

    def _sum(self, made: Mapping[str, Samples]) -> Samples:
        """Targets that listen for the same are taken once."""
        distinct = {(lane.slot, lane.concepts.inverted, lane.target.bypass): name for name, lane in self.lanes.items()}
        return np.asarray(np.sum([made[name] for name in distinct.values()], axis=0, dtype=np.float32))


def _hears_input(lane: Lane) -> bool:
    target = lane.target
    return lane.concepts.inverted or lane.slot is None or target.bypass or target.max_suppression_db is not None


def _signal(
    lane: Lane, outputs: Mapping[int, Samples], heard: Samples | None, moments: Moments | None = None
) -> Samples:
    target = lane.target
    gate = None if moments is None or lane.known is NOTHING_KNOWN else moments.gate(lane.known)
    if not _hears_input(lane) and lane.slot is not None:
        return outputs[lane.slot] if gate is None else outputs[lane.slot] * gate
    assert heard is not None, "Plan.hears_input said that the input is not needed"
    if target.bypass:
        return heard.copy() if gate is None else heard * gate
    estimate = np.zeros_like(heard) if lane.slot is None else outputs[lane.slot]
    if lane.concepts.inverted:
        estimate = heard - estimate
    if gate is not None:
        estimate = estimate * gate
    if target.max_suppression_db is not None:
        floor = np.float32(10.0 ** (-target.max_suppression_db / 20.0))
        estimate = estimate + floor * (heard - estimate)
    return estimate


def crossfaded(old: Mapping[str, Samples], new: Mapping[str, Samples]) -> dict[str, Samples]:
    """Signals that go from `old` to `new` in a line over their length; a missing one counts as silence.

    A signal that is the same array in both passes untouched.
    """
    made: dict[str, Samples] = {}
    for name in {**old, **new}:
        before, after = old.get(name), new.get(name)
        if before is after and after is not None:
            made[name] = after
            continue
        present = after if after is not None else before
        assert present is not None, "a name comes from one of the two"
        count = present.shape[1]
        rise = (np.arange(count, dtype=np.float32) + np.float32(0.5)) / np.float32(max(count, 1))
        if before is None:
            made[name] = present * rise
        elif after is None:
            made[name] = present * (1.0 - rise)
        else:
            made[name] = before + (after - before) * rise
    return made
