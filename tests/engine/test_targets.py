"""`engine.targets`: slots shared by targets that listen for the same, numbers never used twice."""

from __future__ import annotations

import pytest

from engine.bundle import Bundle
from engine.errors import NoCapacity
from engine.plan import TAKEN
from engine.prompt import Span, Target
from engine.targets import Targets

SPEECH = Target("a", "speech")


def test_targets_that_listen_for_the_same_share_a_slot(identity: Bundle) -> None:
    free = len(identity.masking._free)
    targets = Targets(identity, (SPEECH, Target("b", "everything but speech"), Target("c", "speech", gain_db=3)), True)
    slots = {name: lane.slot for name, lane in targets.plan.lanes.items()}
    assert slots["a"] == slots["b"] == slots["c"]
    # a ∪ ¬a is everything: nothing is left to listen for.
    (union,) = targets.plan.unions
    assert union.slot is None
    assert free - len(identity.masking._free) == 1
    targets.close()
    assert len(identity.masking._free) == free


def test_spans_need_a_slot_of_their_own(identity: Bundle) -> None:
    targets = Targets(identity, (SPEECH, Target("b", "speech", spans=(Span(0.0, 1.0),))), False)
    assert targets.plan.lanes["a"].slot != targets.plan.lanes["b"].slot
    hint = targets.hints(0.5, 480, 48_000)
    assert hint is not None
    slot = targets.plan.lanes["b"].slot
    assert slot is not None
    assert [hint(slot, pts) for pts in (0, 23_280, 24_000)] == [1, 1, 0]
    targets.close()


def test_an_index_is_never_used_twice(identity: Bundle) -> None:
    targets = Targets(identity, (SPEECH,), True)
    assert targets.indices == {"a": 0, TAKEN: 1}
    targets.change((SPEECH, Target("b", "siren")))
    targets.settle()
    targets.change((SPEECH,))
    targets.settle()
    assert targets.retire("b") == 2
    targets.change((SPEECH, Target("b", "siren")))
    assert [track.index for track in targets.tracks] == [0, 1, 3]
    targets.close()


def test_unchanged_targets_keep_their_slots(identity: Bundle) -> None:
    targets = Targets(identity, (SPEECH,), False)
    slot = targets.plan.lanes["a"].slot
    targets.change((SPEECH, Target("b", "siren")))
    assert targets.arriving == [lane.slot for name, lane in targets.newest.lanes.items() if name == "b"]
    past = targets.settle()
    assert past.lanes["a"].slot == targets.plan.lanes["a"].slot == slot
    targets.close()


def test_more_slots_than_are_free_are_refused_and_change_nothing(identity: Bundle) -> None:
    free = len(identity.masking._free)
    targets = Targets(identity, (SPEECH,), True)
    before = targets.newest
    with pytest.raises(NoCapacity, match=r"2 targets and the residual would need 3 separations at once, .* room for 2"):
        targets.change((SPEECH, Target("b", "siren")), 1)  # with the union it takes two
    assert targets.newest is before
    assert free - len(identity.masking._free) == 1
    targets.change((SPEECH, Target("b", "siren")), 2)
    targets.change((Target("a", "dog"), Target("b", "rain")), 0)  # others in the place of those
    targets.change((SPEECH, Target("b", "speech", gain_db=3.0)), 0)
    assert len(targets.newest.slots) == 1
    targets.close()
    assert len(identity.masking._free) == free
