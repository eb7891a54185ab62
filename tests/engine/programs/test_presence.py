"""`engine.programs.presence`: opens at once, closes slowly, each slot for itself, however the hops are grouped."""

from __future__ import annotations

import numpy as np
import pytest

from engine.programs.presence import CLOSES_BY, OPEN_ABOVE, SHUT_BELOW, PresenceGate

ONE = np.array([0], np.intp)


def course(active: list[float], group: int) -> list[float]:
    gate = PresenceGate()
    gate.grow(1)
    found: list[float] = []
    for begin in range(0, len(active), group):
        part = np.array([active[begin : begin + group]], np.float32)
        gains = gate.gains(ONE, part, [0])
        found += np.ones(part.shape[1]).tolist() if gains is None else gains[0].tolist()
    return found


@pytest.mark.parametrize("group", [1, 2, 16, 1000])
def test_opens_at_once_and_closes_slowly(group: int) -> None:
    between = (SHUT_BELOW + OPEN_ABOVE) / 2
    gains = course([SHUT_BELOW] * 10 + [0.9] * 3 + [between] * 2 + [0.0] * 40, group)
    assert gains[:10] == [0.0] * 10
    assert gains[10:13] == pytest.approx([1.0] * 3)
    closing = np.clip(1.0 - CLOSES_BY * np.arange(1, 43), 0.0, 1.0)
    np.testing.assert_allclose(gains[13:], np.maximum(closing, [0.5, 0.5, *[0.0] * 40]), atol=1e-5)


def test_the_grouping_does_not_matter() -> None:
    active = np.random.default_rng(1).random(400).tolist()
    np.testing.assert_allclose(course(active, 1), course(active, 128), atol=1e-5)


def test_an_open_gate_costs_nothing_and_slots_are_apart() -> None:
    gate = PresenceGate()
    gate.grow(3)
    both = np.array([0, 2], np.intp)
    assert gate.gains(both, np.full((2, 4), 0.8, np.float32), [0, 0]) is None
    gains = gate.gains(both, np.array([[0.9, 0.9], [0.0, 0.0]], np.float32), [0, 2])
    assert gains is not None
    np.testing.assert_allclose(gains, [[1.0, 1.0], [1 - CLOSES_BY, 1 - 2 * CLOSES_BY]])


def test_what_is_kept_can_be_put_back() -> None:
    gate = PresenceGate()
    gate.grow(1)
    gate.gains(ONE, np.ones((1, 1), np.float32), [0])
    kept = gate.held(0)
    gate.reset(0)
    shut = gate.gains(ONE, np.zeros((1, 1), np.float32), [0])
    gate.restore(0, kept)
    open_ = gate.gains(ONE, np.zeros((1, 1), np.float32), [0])
    assert shut is not None
    assert open_ is not None
    assert float(shut[0, 0]) == 0.0
    assert float(open_[0, 0]) == pytest.approx(1 - CLOSES_BY)


def test_growing_keeps_what_is_held() -> None:
    gate = PresenceGate()
    gate.grow(1)
    gate.restore(0, 0.7)
    gate.grow(5)
    assert gate.held(0) == pytest.approx(0.7)


def test_what_is_known_to_sound_is_not_gated() -> None:
    gate = PresenceGate()
    gate.grow(2)
    doubtful = np.full((2, 3), SHUT_BELOW, np.float32)
    gains = gate.gains(np.array([0, 1], np.intp), doubtful, [1, 0])
    assert gains is not None
    np.testing.assert_allclose(gains, [[1.0] * 3, [0.0] * 3], atol=1e-6)
    assert gate.gains(ONE, doubtful[:1], [1]) is None


def test_a_gate_may_be_left_open() -> None:
    gate = PresenceGate(open_above=0.0)
    gate.grow(1)
    assert gate.gains(ONE, np.zeros((1, 4), np.float32), [0]) is None
