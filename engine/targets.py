"""The targets of a session: prompts understood, slots opened and given back, tracks numbered, plans exchanged.

At most two plans exist: the present one, and one that is coming, which replaces it after a hop in which both ran.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from engine.bundle import Bundle
from engine.concepts import ConceptSet, Match, union_of
from engine.config import RESIDUAL, Track
from engine.errors import BadInput, NoCapacity, UnknownPrompt
from engine.plan import TAKEN, Lane, Plan
from engine.prompt import Target
from engine.separator import HintOf
from engine.spans import NOTHING_KNOWN, Course, combined, course_of, joint_hint, sounding_sets
from engine.vocabulary import Vocabulary

MOST_UNIONS = 16
"""Sets of targets that may be off together, over a session's time: each needs a slot for what is left."""

_Listening = tuple[frozenset[str], Course, int, bool, int]
"""What a slot's state depends on: concepts, hints, the identity of a visual prompt, whether spans are predicted, noise.
Targets that agree in it share the slot."""


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

    def change(self, targets: tuple[Target, ...], free_slots: int | None = None) -> None:
        """Make a coming plan for `targets`, replacing one that has not come yet.

        Args:
            targets: all of them, checked; at least one.
            free_slots: slots that may be taken beside those that the newest plan has; None: no limit of ours.

        Raises:
            BadInput, UnknownPrompt, NoCapacity: as the constructor, or too few slots are free; nothing is changed.
        """
        plans = (self.plan, self.newest)
        present = {
            _listening(lane): lane.slot for plan in plans for lane in plan.all_lanes if lane.slot is not None
        }  # fmt: skip
        most = None if free_slots is None else len(self.newest.slots) + free_slots
        coming = self._planned(targets, present, most)
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

    def _planned(
        self, targets: tuple[Target, ...], present: Mapping[_Listening, int], most_slots: int | None = None
    ) -> Plan:
        # Understand every prompt first, so that a wrong one leaves no slot open.
        wanted = [
            _lane(target, understood(target, self._bundle.vocabulary), course_of(target.spans)) for target in targets
        ]
        adds_up = self._residual and len(targets) > 1 and self._bundle.vocabulary.parts_add_up
        unions = _unions(wanted) if self._residual and len(targets) > 1 and not adds_up else []
        needed = len({_listening(lane) for lane in (*wanted, *unions) if lane.concepts.matches})
        if most_slots is not None and needed > most_slots:
            beside = " and the residual" if unions else ""
            wish = f"{len(targets)} target{'s' * (len(targets) > 1)}{beside}"
            raise NoCapacity(f"{wish} would need {needed} separations at once, and there is room for {most_slots}")
        slots = dict(present)

        def listening(lane: Lane) -> Lane:
            if not lane.concepts.matches:
                return lane
            key = _listening(lane)
            if key not in slots:
                slots[key] = self._bundle.program.open_slot()
                query = self._bundle.vocabulary.condition(lane.concepts)
                target = lane.target
                self._bundle.program.condition(slots[key], query, target.pictures, target.predict_spans, target.seed)
            return replace(lane, slot=slots[key])

        try:
            return Plan({lane.target.id: listening(lane) for lane in wanted}, tuple(map(listening, unions)), adds_up)
        except NoCapacity:
            self._close(set(slots.values()) - set(present.values()))
            raise

    def hints(self, base_s: float, hop: int, rate: int) -> HintOf | None:
        """Hints by slot, or None where there are none.

        Args:
            base_s: session time of the segment's first sample.
            hop: samples for which a hint holds, whose middle decides (0: the sample itself does).
            rate: the model's.
        """
        plans = (self.plan, self.newest)
        courses = {
            lane.slot: lane.hints
            for plan in plans
            for lane in plan.all_lanes
            if lane.slot is not None and lane.hints is not NOTHING_KNOWN
        }
        if not courses:
            return None

        def hint(slot: int, pts: int) -> int:
            return courses.get(slot, NOTHING_KNOWN).at(base_s + (pts + hop / 2) / rate)

        return hint

    def close(self) -> None:
        """Give every slot back."""
        self._close({*self.plan.slots, *self.newest.slots})

    def _close(self, slots: set[int]) -> None:
        for slot in slots:
            self._bundle.program.close_slot(slot)


def understood(target: Target, vocabulary: Vocabulary) -> ConceptSet:
    """What a target asks for.

    Raises:
        BadInput, UnknownPrompt: its prompt, or pictures for a model that does not see; names the target.
    """
    field = f"targets.{target.id}"
    if target.pictures is not None:
        if not vocabulary.sees:
            raise BadInput(f"{field}.pictures", "none: this model sees no pictures", "a visual prompt")
        if not target.prompt.strip():
            return ConceptSet((Match("", 1.0),))
    try:
        return vocabulary.read(target.prompt)
    except UnknownPrompt as error:
        raise UnknownPrompt(error.prompt, error.suggestions, target.id, error.word) from error
    except BadInput as error:
        raise error.within(field) from error


def _listening(lane: Lane) -> _Listening:
    target = lane.target
    return frozenset(lane.concepts.labels), lane.hints, id(target.pictures), target.predict_spans, target.seed


def _lane(target: Target, concepts: ConceptSet, known: Course) -> Lane:
    """A lane without its slot yet. Of "everything but speech" a span says nothing sure about the speech: no hint."""
    known = NOTHING_KNOWN if known.constant or target.bypass else known
    return Lane(target, concepts, None, known, NOTHING_KNOWN if concepts.inverted else known)


def _unions(lanes: list[Lane]) -> list[Lane]:
    """A lane for each set of targets that may sound at the same time, on while just these are not off.

    Raises:
        BadInput: spans make too many such sets.
    """
    found = []
    for sounding, known in sounding_sets([lane.known for lane in lanes], MOST_UNIONS).items():
        members = [lane for lane, is_in in zip(lanes, sounding, strict=True) if is_in]
        if not members:
            continue
        target = Target("*", "*", bypass=any(lane.target.bypass for lane in members))
        concepts = union_of([lane.concepts for lane in members])
        hints = combined([lane.known for lane in members], joint_hint)
        lane = _lane(target, concepts, NOTHING_KNOWN if hints.constant else hints)
        found.append(replace(lane, known=NOTHING_KNOWN if known.constant else known))
    return found
