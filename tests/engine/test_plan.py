"""`engine.plan`: what each track is made of, and the crossfade between two plans."""

from __future__ import annotations

import numpy as np

from engine.concepts import ConceptSet, Match
from engine.plan import TAKEN, Lane, Plan, crossfaded
from engine.prompt import Span, Target
from engine.spans import Moments, course_of, sounding_sets

SPEECH = ConceptSet((Match("speech", 1.0),))
REST = ConceptSet((Match("speech", 1.0),), inverted=True)
NOTHING = ConceptSet(())
HEARD = np.full((1, 4), 5.0, np.float32)
OUTPUTS = {3: np.full((1, 4), 2.0, np.float32), 4: np.full((1, 4), 1.0, np.float32)}


def made(lane: Lane) -> float:
    plan = Plan({"a": lane})
    signals = plan.signals(OUTPUTS, HEARD if plan.hears_input else None)
    assert signals["a"] is signals[TAKEN]
    return float(signals["a"][0, 0])


def test_kinds_of_lanes() -> None:
    target = Target("a", "speech")
    assert made(Lane(target, SPEECH, 3)) == 2.0
    assert made(Lane(target, REST, 3)) == 3.0
    assert made(Lane(target, NOTHING, None)) == 0.0
    assert made(Lane(Target("a", "speech", bypass=True), SPEECH, 3)) == 5.0
    assert made(Lane(Target("a", "speech", max_suppression_db=20.0), SPEECH, 3)) == np.float32(2.0 + 0.1 * 3.0)


def test_taken_is_the_union_where_there_are_several() -> None:
    lanes = {"a": Lane(Target("a", "x"), SPEECH, 3), "b": Lane(Target("b", "y"), SPEECH, 3)}
    plan = Plan(lanes, (Lane(Target("*", "*"), SPEECH, 4),))
    assert plan.slots == (3, 4)
    assert float(plan.signals(OUTPUTS, None)[TAKEN][0, 0]) == 1.0
    assert TAKEN not in Plan(lanes).signals(OUTPUTS, None)


def test_a_target_is_silent_where_it_is_known_to_be_off() -> None:
    known = course_of((Span(0.02, 0.04, include=False),))
    outputs = {3: np.full((1, 8), 2.0, np.float32)}
    heard = np.full((1, 8), 5.0, np.float32)
    moments = Moments(0.0, 4, 2, 100)  # hops of 20 ms: the second one lies in the span
    plan = Plan({"a": Lane(Target("a", "x"), SPEECH, 3, known)})
    assert plan.gated
    expected = [2.0, 2.0, 1.5, 0.5, 0.5, 1.5, 2.0, 2.0]
    np.testing.assert_allclose(plan.signals(outputs, None, moments)["a"][0], expected)
    rest = Plan({"a": Lane(Target("a", "x"), REST, 3, known)})
    np.testing.assert_allclose(rest.signals(outputs, heard, moments)["a"][0], np.array(expected) * 1.5)
    floor = Plan({"a": Lane(Target("a", "x", max_suppression_db=20.0), SPEECH, 3, known)})
    np.testing.assert_allclose(
        floor.signals(outputs, heard, moments)["a"][0], np.array(expected) * 0.9 + 0.5, rtol=1e-6
    )


def test_the_union_leaves_out_who_is_off() -> None:
    courses = [course_of(()), course_of((Span(0.02, 0.04, include=False),))]
    both, alone = sounding_sets(courses, 2).values()
    lanes = {"a": Lane(Target("a", "x"), SPEECH, 3), "b": Lane(Target("b", "y"), SPEECH, 4, courses[1])}
    any_, only = Lane(Target("*", "*"), SPEECH, 5, both), Lane(Target("*", "*"), SPEECH, 3, alone)
    outputs = {slot: np.full((1, 6), float(slot), np.float32) for slot in (3, 4, 5)}
    taken = Plan(lanes, (any_, only)).signals(outputs, None, Moments(0.0, 3, 2, 100))[TAKEN]
    np.testing.assert_allclose(taken[0], [5.0, 5.0, 4.5, 3.5, 3.5, 4.5])


def test_crossfade_is_a_line_and_leaves_the_same_alone() -> None:
    old, new = np.zeros((1, 100), np.float32), np.ones((1, 100), np.float32)
    both = crossfaded({"a": old, "same": new, "gone": new}, {"a": new, "same": new, "come": new})
    assert both["same"] is new
    np.testing.assert_allclose(np.diff(both["a"]), 0.01, atol=1e-6)
    np.testing.assert_allclose(both["gone"] + both["come"], 1.0, atol=1e-6)
    assert both["a"][0, 0] == np.float32(0.005)


def test_targets_that_share_no_sound_add_up() -> None:
    """What is taken is their sum; who listens for the same is counted once."""
    dog, rain, again = (Lane(Target(name, name), ConceptSet((Match(name, 1.0),)), slot) for name, slot in
                        (("dog", 1), ("rain", 2), ("again", 1)))  # fmt: skip
    rest = Lane(Target("rest", "rest"), ConceptSet((Match("dog", 1.0),), inverted=True), 1)
    outputs = {1: np.full((1, 4), 0.25, np.float32), 2: np.full((1, 4), 0.5, np.float32)}
    heard = np.ones((1, 4), np.float32)
    lanes = {"dog": dog, "rain": rain, "again": again}
    np.testing.assert_allclose(Plan(lanes, (), adds_up=True).signals(outputs, heard)[TAKEN], 0.75)
    both = {"dog": dog, "rest": rest}
    np.testing.assert_allclose(Plan(both, (), adds_up=True).signals(outputs, heard)[TAKEN], heard)
