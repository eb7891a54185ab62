"""`engine.timeline`: gaps, overlaps and beginnings."""

from __future__ import annotations

from engine.timeline import Placement, Timeline


def test_contiguous_with_and_without_pts() -> None:
    line = Timeline(48_000)
    assert line.place(0, 480) == Placement(0, 0, False)
    assert line.place(None, 480) == Placement(0, 0, False)
    assert line.place(960, 480) == Placement(0, 0, False)
    assert line.expects == 1440


def test_a_gap_of_two_seconds_is_filled_a_longer_one_restarts() -> None:
    line = Timeline(1000)
    line.place(0, 100)
    assert line.place(2100, 10) == Placement(0, 2000, False)
    assert line.place(4111, 10) == Placement(0, 0, True)
    assert line.expects == 4121


def test_what_was_heard_before_is_skipped() -> None:
    line = Timeline(1000)
    line.place(0, 100)
    assert line.place(90, 20) == Placement(10, 0, False)
    assert line.expects == 110
    assert line.place(0, 50) == Placement(50, 0, False)
    assert line.expects == 110


def test_the_first_chunk_says_where_the_stream_begins() -> None:
    line = Timeline(1000)
    assert line.place(5000, 10) == Placement(0, 0, True)
    assert line.expects == 5010
