"""`streaming.capacity`: a line through the ticks says how many rows fit, before they are there."""

from __future__ import annotations

import numpy as np
import pytest

from streaming.capacity import Capacity


def line(hops: int) -> float:
    return 0.0004 + 0.0001 * hops


def test_finds_the_line_and_looks_beyond_it() -> None:
    capacity = Capacity(limit_s=0.006)
    capacity.rehearsed((hops, line(hops)) for hops in (1, 16))
    assert capacity.tick_s(40) == pytest.approx(line(40))
    assert capacity.most_rows == 56
    assert capacity.costs_s == pytest.approx((0.0004, 0.0001))


def test_live_ticks_outweigh_the_rehearsal() -> None:
    capacity = Capacity(limit_s=0.006)
    capacity.rehearsed((hops, line(hops)) for hops in (1, 16))
    for hops in range(2000):
        capacity.note(1 + hops % 12, 2 * line(1 + hops % 12))
    capacity.fit()
    assert capacity.tick_s(40) == pytest.approx(2 * line(40), rel=0.05)


def test_one_session_alone_does_not_make_the_slope() -> None:
    capacity = Capacity(limit_s=0.006)
    capacity.rehearsed((hops, line(hops)) for hops in (1, 16))
    for _ in range(2000):
        capacity.note(1, line(1))
    capacity.fit()
    assert capacity.most_rows == pytest.approx(56, abs=1)


def test_the_slow_twentieth_counts_but_not_a_stalled_machine() -> None:
    rng = np.random.default_rng(0)
    capacity = Capacity(limit_s=0.006)
    capacity.rehearsed((hops, line(hops)) for hops in (1, 16))
    for number in range(1000):
        hops = int(rng.integers(1, 16))
        capacity.note(hops, line(hops) * (1.3 if number % 10 == 0 else 1.0))
    capacity.fit()
    assert 40 < capacity.most_rows < 50
    capacity.fit()
    for _ in range(10):
        capacity.note(5, 1.0)
    capacity.fit()
    assert capacity.most_rows > 35, "a second's stall says nothing of the sessions"


def test_before_anything_is_known_everyone_is_let_in() -> None:
    assert Capacity(limit_s=0.006).most_rows > 1000


def test_a_limit_below_the_fixed_cost_leaves_no_room() -> None:
    capacity = Capacity(limit_s=0.0001)
    capacity.rehearsed((hops, line(hops)) for hops in (1, 16))
    assert capacity.most_rows == 0
