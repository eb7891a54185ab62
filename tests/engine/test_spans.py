"""`engine.spans`: spans become courses over time, courses become hints and gates."""

from __future__ import annotations

import numpy as np
import pytest

from engine.errors import BadInput
from engine.prompt import Span
from engine.spans import (
    NOTHING_KNOWN,
    OFF,
    ON,
    UNKNOWN,
    Course,
    Moments,
    combined,
    course_of,
    joint_hint,
    sounding_sets,
)

PLUS, MINUS = Span(1.0, 2.0), Span(3.0, 4.0, include=False)


def test_a_course_says_what_the_spans_say() -> None:
    course = course_of((MINUS, PLUS))
    assert course == Course((1.0, 2.0, 3.0, 4.0), (UNKNOWN, ON, UNKNOWN, OFF, UNKNOWN))
    assert [course.at(second) for second in (-1.0, 0.99, 1.0, 2.0, 3.5, 4.0)] == [0, 0, 1, 0, 2, 0]


def test_the_last_of_two_spans_that_overlap_holds() -> None:
    course = course_of((Span(0.5, 3.0), Span(1.0, 2.0, include=False)))
    assert course == Course((0.5, 1.0, 2.0, 3.0), (UNKNOWN, ON, OFF, ON, UNKNOWN))
    course = course_of((Span(1.0, 2.0, include=False), Span(0.5, 3.0)))
    assert course == Course((0.5, 3.0), (UNKNOWN, ON, UNKNOWN))


def test_what_holds_at_the_beginning_held_before() -> None:
    assert course_of((Span(0.0, 1.0, include=False),)) == Course((1.0,), (OFF, UNKNOWN))
    assert course_of(()) == NOTHING_KNOWN


def test_courses_that_say_the_same_are_equal() -> None:
    assert course_of((Span(1.0, 1.5), Span(1.5, 2.0))) == course_of((PLUS, PLUS))


def test_a_union_sounds_where_one_part_does() -> None:
    first, second = course_of((PLUS, MINUS)), course_of((Span(3.5, 5.0, include=False),))
    joint = combined([first, second], joint_hint)
    assert [joint.at(second) for second in (0.0, 1.5, 3.2, 3.7, 4.5)] == [UNKNOWN, ON, UNKNOWN, OFF, UNKNOWN]


def test_every_set_of_targets_that_is_not_off_has_its_time() -> None:
    sets = sounding_sets([course_of((MINUS,)), course_of((Span(3.5, 5.0, include=False),)), NOTHING_KNOWN], 4)
    assert {sounding: course.at(3.7) != OFF for sounding, course in sets.items()} == {
        (True, True, True): False,
        (False, True, True): False,
        (False, False, True): True,
        (True, False, True): False,
    }
    assert sounding_sets([NOTHING_KNOWN, course_of((PLUS,))], 1) == {(True, True): NOTHING_KNOWN}


def test_a_gate_is_the_same_however_the_hops_are_grouped() -> None:
    course = course_of((Span(0.103, 0.2, include=False), Span(0.25, 0.26, include=False)))
    whole = Moments(0.0, 40, 480, 48_000).gate(course)
    assert whole is not None
    parts = []
    for hop in range(0, 40, 5):
        part = Moments(hop / 100, 5, 480, 48_000).gate(course)
        parts.append(np.ones(2400, np.float32) if part is None else part)
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert np.abs(np.diff(whole)).max() < 1.01 / 480
    np.testing.assert_array_equal(whole[480 * 11 : 480 * 20], 0.0)
    np.testing.assert_array_equal(whole[: 480 * 10], 1.0)


def test_a_gate_that_is_open_costs_nothing() -> None:
    assert Moments(0.0, 4, 480, 48_000).gate(NOTHING_KNOWN) is None
    assert Moments(0.0, 4, 480, 48_000).gate(course_of((PLUS, MINUS))) is None


def test_too_many_sets_are_refused() -> None:
    with pytest.raises(BadInput, match=r"targets\.spans: .*at most 1 "):
        sounding_sets([course_of((MINUS,)), NOTHING_KNOWN], 1)
