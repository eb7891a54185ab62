"""`engine.activity`: hysteresis over hops, the level that must agree, spans of whole files."""

from __future__ import annotations

import numpy as np
import pytest

from engine.activity import FILES, HOP_S, LIVE, SURE, ActivityGate, ActivityRecord, find_soundings, hop_powers


def changes(probability: list[float], group: int = 1, power: list[float] | None = None) -> list[tuple[int, str]]:
    gate = ActivityGate()
    found = []
    loud = power or [0.01] * len(probability)
    for begin in range(0, len(probability), group):
        here = slice(begin, begin + group)
        part = gate.changes(np.array(probability[here], np.float32), np.array(loud[here], np.float32))
        found += [(begin + hop, state) for hop, state in part]
    return found


@pytest.mark.parametrize("group", [1, 4, 1000])
def test_begins_and_ends_where_the_run_began(group: int) -> None:
    course = [0.1] * 20 + [0.9] * 50 + [0.1] * 60
    assert changes(course, group) == [(20, "start"), (70, "end")]


def test_a_blip_and_a_pause_are_no_change() -> None:
    blip = [0.1] * 10 + [0.9] * (LIVE.begin_hops - 1) + [0.1] * 40
    assert changes(blip) == []
    pause = [0.9] * 10 + [0.1] * (LIVE.end_hops - 1) + [0.9] * 10
    assert changes(pause) == [(0, "start")]


def test_what_is_far_below_its_own_level_has_ended() -> None:
    loud, faint = [0.01] * 100, [0.01 * 10**-3.0] * 100
    (start, end) = changes([0.9] * 200, power=loud + faint)
    assert start == (0, "start")
    assert end[1] == "end"
    assert 100 <= end[0] <= 115
    assert changes([0.9] * 200, power=loud + [0.01 * 10**-1.5] * 100) == [(0, "start")]


def test_a_level_is_not_held_against_a_target_for_ever() -> None:
    power = [0.01] * 100 + [0.01 * 10**-3.0] * 1500
    assert [state for _, state in changes([0.9] * 1600, 16, power)] == ["start", "end", "start"]


def test_powers_of_hops() -> None:
    samples = np.array([[1.0, 1.0, 2.0, 2.0], [0.0, 0.0, 2.0, 2.0]], np.float32)
    np.testing.assert_allclose(hop_powers(samples, 2), [0.5, 4.0])


SMEARED_S = (FILES.level_hops // 2 + 1) * HOP_S
"""Levels are averaged over `level_hops`, so an edge may move by half of them."""


def test_spans_of_a_file() -> None:
    active = np.array([0.1] * 100 + [0.95] * 80 + [0.1] * 100 + [0.95] * 60 + [0.1] * 60, np.float32)
    power = np.where(active > 0.5, 0.01, 1e-6).astype(np.float32)
    first, second = find_soundings(active, power, 0.01)
    assert (first.start_s, first.end_s) == pytest.approx((1.0, 1.8), abs=SMEARED_S)
    assert (second.start_s, second.end_s) == pytest.approx((2.8, 3.4), abs=SMEARED_S)
    assert first.level_db == pytest.approx(-20, abs=1)
    inside = active[round(first.start_s / HOP_S) : round(first.end_s / HOP_S)]
    assert first.probability == pytest.approx(float(inside.mean()), abs=1e-3)


def test_a_file_that_ends_while_it_sounds() -> None:
    active = np.array([0.0] * 50 + [0.9] * 100, np.float32)
    (only,) = find_soundings(active, np.full(150, 0.01, np.float32), 0.01)
    assert (only.start_s, only.end_s) == pytest.approx((0.5, 1.5), abs=SMEARED_S)


def test_doubt_and_silence_give_no_span() -> None:
    doubt = FILES.sure_above * FILES.unsure / SURE - 0.02
    assert find_soundings(np.full(300, doubt, np.float32), np.full(300, 0.01, np.float32), 0.01) == []
    assert find_soundings(np.zeros(300, np.float32), np.zeros(300, np.float32), 0.01) == []
    assert find_soundings(np.zeros(0, np.float32), np.zeros(0, np.float32), 0.01) == []
    assert ActivityRecord().spans() == {}


def test_a_file_that_is_never_sure_is_judged_by_its_own_surest_moment() -> None:
    """0.6 is a span where nothing is surer, and none beside 0.95."""
    power = np.full(300, 0.01, np.float32)
    likely = np.zeros(300, np.float32)
    likely[50:110] = 0.6
    (only,) = find_soundings(likely, power, 0.01)
    assert only.start_s == pytest.approx(0.5, abs=0.08)
    likely[200:260] = 0.95
    (only,) = find_soundings(likely, power, 0.01)
    assert only.start_s == pytest.approx(2.0, abs=0.08)


def test_a_record_is_the_same_however_it_was_filled() -> None:
    active = np.array([0.1] * 100 + [0.95] * 80 + [0.1] * 100, np.float32)
    power = np.full(280, 0.01, np.float32)
    whole, cut = ActivityRecord(), ActivityRecord()
    whole.add("a", active, power, 0.01)
    for begin in range(0, 280, 7):
        cut.add("a", active[begin : begin + 7], power[begin : begin + 7], 0.01)
    assert whole.spans() == cut.spans()
    (only,) = whole.spans(1.5)["a"]
    assert only.end_s == 1.5
    assert whole.spans(0.5) == {"a": ()}


def test_long_hops_take_the_same_time() -> None:
    """A gate and a search for spans that are told of hops of 40 ms find what they find at 10 ms."""
    likely = np.zeros(400, np.float32)
    likely[100:250] = 0.95
    power = np.where(likely > 0, 1e-2, 1e-6).astype(np.float32)
    fine, coarse = ActivityGate(), ActivityGate(0.04)
    (start, end), (start_4, end_4) = fine.changes(likely, power), coarse.changes(likely[::4], power[::4])
    assert [state for _, state in (start, end, start_4, end_4)] == ["start", "end"] * 2
    assert abs(start[0] - 4 * start_4[0]) <= 4
    assert abs(end[0] - 4 * end_4[0]) <= 8
    (one,), (other,) = find_soundings(likely, power, 0.01), find_soundings(likely[::4], power[::4], 0.04)
    assert abs(one.start_s - other.start_s) <= 0.08
    assert abs(one.end_s - other.end_s) <= 0.08
