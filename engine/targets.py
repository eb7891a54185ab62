"""The targets of a session: prompts understood, slots opened and given back, tracks numbered, plans exchanged.

At most two plans exist: the present one, and one that is coming, which replaces it after a hop in which both ran.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from engine.bundle import Bundle
from engine.config import RESIDUAL, Track
from engine.errors import BadInput, NoCapacity, UnknownPrompt
from engine.plan import TAKEN, Lane, Plan
from engine.prompt import ConceptSet, Span, Target, understand, union_of
from engine.separator import HintOf

_Listening = tuple[frozenset[str], tuple[Span, ...]]
"""What a slot's state depends on; targets that agree in it share the slot."""


class Targets:
    """See the module.

    Args:
        bundle: whose slots are used.
        targets: checked; at least one.
        residual: number a residual track, and listen for the union where there are several targets.

    Raises:
        BadInput, UnknownPrompt: a prompt; names the target. No slot stays open.
        NoCapacity: no free slot.
    """

    def __init__(self, bundle: Bundle, targets: tuple[Target, ...], residual: bool) -> None:
        self._bundle, self._residual = bundle, residual
        self._next_index = 0
        self.indices: dict[str, int] = {}
        """Name of a signal (target id or `TAKEN`) → its track's index, while the track lives."""
        self.coming: Plan | None = None
        self.plan = self._planned(targets, {})
        self._number(self.plan)
        if residual:
            self._add(TAKEN)

    @property
    def newest(self) -> Plan:
        """The plan as last asked for."""
        return self.coming or self.plan

    @property
    def all(self) -> tuple[Target, ...]:
        """The targets as last asked for."""
        return tuple(lane.target for lane in self.newest.lanes.values())

    @property
    def arriving(self) -> list[int]:
        """Slots that the coming plan needs and the present one has not."""
        present = self.plan.slots
        return [slot for slot in self.newest.slots if slot not in present]

    @property
    def tracks(self) -> tuple[Track, ...]:
        """The tracks as they will be once the coming plan holds, by index."""
        lanes = self.newest.lanes
        found = [Track(index, "audio", f"{name}/target", name) for name, index in self.indices.items() if name in lanes]
        if TAKEN in self.indices:
            found.append(Track(self.indices[TAKEN], "audio", RESIDUAL, None))
        return tuple(sorted(found, key=lambda track: track.index))

    def _add(self, name: str) -> None:
        self.indices[name] = self._next_index
        self._next_index += 1

    def _number(self, plan: Plan) -> None:
        for name in plan.lanes:
            if name not in self.indices:
                self._add(name)

    def change(self, targets: tuple[Target, ...]) -> None:
        """Make a coming plan for `targets`, replacing one that has not come yet.

        Raises:
            BadInput, UnknownPrompt, NoCapacity: as the constructor; nothing is changed then.
        """
        plans = (self.plan, self.newest)
        present = {
            _listening(lane): lane.slot for plan in plans for lane in plan.all_lanes if lane.slot is not None
        }  # fmt: skip
        coming = self._planned(targets, present)
        dropped, self.coming = self.coming, coming
        if dropped is not None:
            self._close(set(dropped.slots) - set(self.plan.slots) - set(coming.slots))
        self._number(coming)
        # A target that came and went before its first hop: its index stays used.
        for name in [name for name in self.indices if name != TAKEN]:
            if name not in self.plan.lanes and name not in coming.lanes:
                del self.indices[name]

    def settle(self) -> Plan:
        """The coming plan is the present one from now on; returns the past one, its unused slots given back."""
        assert self.coming is not None, "settle follows change"
        past, self.plan, self.coming = self.plan, self.coming, None
        self._close(set(past.slots) - set(self.plan.slots))
        return past

    def retire(self, name: str) -> int:
        """A target's track has ended; returns its index, which is not used again."""
        return self.indices.pop(name)

    def _planned(self, targets: tuple[Target, ...], present: Mapping[_Listening, int]) -> Plan:
        # Understand every prompt first, so that a wrong one leaves no slot open.
        concepts = {target.id: self._understood(target) for target in targets}
        slots = dict(present)

        def lane(target: Target, wanted: ConceptSet) -> Lane:
            made = Lane(target, wanted, None)
            if not wanted.matches:
                return made
            key = _listening(made)
            if key not in slots:
                slots[key] = self._bundle.program.open_slot()
                self._bundle.program.condition(slots[key], self._bundle.vocabulary.query(wanted))
            return replace(made, slot=slots[key])

        try:
            lanes = {target.id: lane(target, concepts[target.id]) for target in targets}
            union = None
            if self._residual and len(targets) > 1:
                bypass = any(target.bypass for target in targets)
                union = lane(Target("*", "*", bypass=bypass), union_of(list(concepts.values())))
        except NoCapacity:
            self._close(set(slots.values()) - set(present.values()))
            raise
        return Plan(lanes, union)

    def _understood(self, target: Target) -> ConceptSet:
        try:
            return understand(target.prompt, self._bundle.vocabulary.labels)
        except UnknownPrompt as error:
            raise UnknownPrompt(error.prompt, error.suggestions, target.id, error.word) from error
        except BadInput as error:
            raise BadInput(f"targets.{target.id}.{error.field}", error.expected, error.got) from error

    def hints(self, base_s: float, hop: int, rate: int) -> HintOf | None:
        """Hints by slot from the spans of its target, or None where no target has any.

        Args:
            base_s: session time of the segment's first sample.
            hop, rate: the model's; the middle of a hop decides.
        """
        plans = (self.plan, self.newest)
        spans = {lane.slot: lane.target.spans for plan in plans for lane in plan.lanes.values() if lane.target.spans}
        if not spans:
            return None

        def hint(slot: int, pts: int) -> int:
            middle_s = base_s + (pts + hop / 2) / rate
            for span in spans.get(slot, ()):
                if span.start_s <= middle_s < span.end_s:
                    return 1 if span.include else 2
            return 0

        return hint

    def close(self) -> None:
        """Give every slot back."""
        self._close({*self.plan.slots, *self.newest.slots})

    def _close(self, slots: set[int]) -> None:
        for slot in slots:
            self._bundle.program.close_slot(slot)


def _listening(lane: Lane) -> _Listening:
    return frozenset(lane.concepts.labels), lane.target.spans
