"""`engine.activity`: hysteresis over hops, the same however the hops are grouped."""

from __future__ import annotations

import numpy as np
import pytest

from engine.activity import BEGIN_HOPS, END_HOPS, ActivityGate


def changes(probability: list[float], group: int) -> list[tuple[int, str]]:
    gate = ActivityGate()
    found = []
    for begin in range(0, len(probability), group):
        part = np.array(probability[begin : begin + group], np.float32)
        found += [(begin + hop, state) for hop, state in gate.changes(part)]
    return found


@pytest.mark.parametrize("group", [1, 4, 1000])
def test_begins_and_ends_where_the_run_began(group: int) -> None:
    course = [0.1] * 20 + [0.9] * 50 + [0.1] * 60
    assert changes(course, group) == [(20, "start"), (70, "end")]


def test_a_blip_and_a_pause_are_no_change() -> None:
    blip = [0.1] * 10 + [0.9] * (BEGIN_HOPS - 1) + [0.1] * 40
    assert changes(blip, 1) == []
    pause = [0.9] * 10 + [0.1] * (END_HOPS - 1) + [0.9] * 10
    assert changes(pause, 1) == [(0, "start")]
