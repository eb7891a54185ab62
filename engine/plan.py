"""What each output track is made of: which slot listens for which target, and how estimates become signals.

All at the model's rate, before resampling and gain. A plan does not change; an update makes a new one, and for one hop
both are computed and crossfaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from engine.frames import Samples
from engine.prompt import ConceptSet, Target

TAKEN = ""
"""Key of the signal that the residual is the input minus; a target's id is never empty."""


@dataclass(frozen=True, slots=True)
class Lane:
    """One target and the slot that listens for its concepts (None: there is nothing to listen for)."""

    target: Target
    concepts: ConceptSet
    slot: int | None


@dataclass(frozen=True, slots=True)
class Plan:
    """The lanes of a session, by target id, and the lane of their union where there are several."""

    lanes: Mapping[str, Lane]
    union: Lane | None

    @property
    def all_lanes(self) -> tuple[Lane, ...]:
        """The targets' lanes, then the union's."""
        return (*self.lanes.values(), *((self.union,) if self.union else ()))

    @property
    def slots(self) -> tuple[int, ...]:
        """Every slot that must run, each once."""
        return tuple(dict.fromkeys(lane.slot for lane in self.all_lanes if lane.slot is not None))

    @property
    def hears_input(self) -> bool:
        """Whether `signals` needs the input itself beside the estimates."""
        return any(
            lane.concepts.inverted
            or lane.slot is None
            or lane.target.bypass
            or lane.target.max_suppression_db is not None
            for lane in self.all_lanes
        )

    def signals(self, outputs: Mapping[int, Samples], heard: Samples | None) -> dict[str, Samples]:
        """Estimates by slot and the input `(channels, n)` → signal of each target id, and `TAKEN`."""
        made = {name: _signal(lane, outputs, heard) for name, lane in self.lanes.items()}
        if self.union is not None:
            made[TAKEN] = _signal(self.union, outputs, heard)
        elif len(made) == 1:
            (made[TAKEN],) = made.values()
        return made


def _signal(lane: Lane, outputs: Mapping[int, Samples], heard: Samples | None) -> Samples:
    target = lane.target
    plain = not (lane.concepts.inverted or target.bypass or target.max_suppression_db is not None)
    if plain and lane.slot is not None:
        return outputs[lane.slot]
    assert heard is not None, "Plan.hears_input said that the input is not needed"
    if target.bypass:
        return heard.copy()
    estimate = np.zeros_like(heard) if lane.slot is None else outputs[lane.slot]
    if lane.concepts.inverted:
        estimate = heard - estimate
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
