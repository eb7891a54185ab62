"""`engine.prompt`: targets are values, and a bare one does nothing to the sound but isolate."""

from __future__ import annotations

from engine.prompt import Box, Point, Span, Target


def test_equal_targets_are_one_key() -> None:
    one, same = (Target("a", "dog", spans=(Span(0.0, 1.5), Span(2.0, 3.0, include=False))) for _ in range(2))
    assert one == same
    assert len({one, same, Target("a", "dog")}) == 2


def test_a_bare_target_has_no_hints_and_leaves_the_level() -> None:
    bare = Target("a", "dog")
    assert (bare.spans, bare.points, bare.boxes) == ((), (), ())
    assert (bare.gain_db, bare.max_suppression_db, bare.bypass) == (0.0, None, False)


def test_hints_on_a_picture_belong_to_the_object_unless_said() -> None:
    assert Point(1.0, 2.0).label == 1
    assert Box(1.0, 2.0, 3.0, 4.0).pts is None
