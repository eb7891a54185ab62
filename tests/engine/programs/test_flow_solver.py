"""`engine.programs.flow_solver`: both rules, one evaluation at a time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.programs.flow_solver import EVALUATIONS, solving, times

Floats = NDArray[np.float32]


def solved(method: str, steps: int, velocity: Callable[[float, Floats], Floats]) -> tuple[Floats, list[float]]:
    running = solving(method, steps, np.ones((2, 3), np.float32))
    asked = next(running)
    moments = []
    while True:
        moments.append(asked[0])
        try:
            asked = running.send(velocity(*asked))
        except StopIteration as end:
            return end.value, moments


@pytest.mark.parametrize(("method", "order"), [("euler", 1), ("midpoint", 2)])
def test_order_of_convergence(method: str, order: int) -> None:
    errors = [abs(float(solved(method, steps, lambda t, y: -y)[0][0, 0]) - np.exp(-1.0)) for steps in (4, 8)]
    assert errors[0] / errors[1] == pytest.approx(2**order, rel=0.2)


@pytest.mark.parametrize("method", ["euler", "midpoint"])
def test_times_are_those_of_the_evaluations(method: str) -> None:
    _, moments = solved(method, 5, lambda t, y: y)
    assert moments == times(method, 5)
    assert len(moments) == 5 * EVALUATIONS[method]


def test_a_constant_field_is_followed_exactly() -> None:
    for method in ("euler", "midpoint"):
        end, _ = solved(method, 4, lambda t, y: np.full_like(y, 2.0))
        np.testing.assert_array_equal(end, np.full((2, 3), 3.0, np.float32))
        assert end.dtype == np.float32
