from __future__ import annotations

import pytest
import torch

from export.models.sam_audio.solver import EVALUATIONS, Solver


def growth(t: float, y: torch.Tensor) -> torch.Tensor:
    """dy/dt = y + t, from y(0) = 1: y(1) = 2 e - 2."""
    return y + t


@pytest.mark.parametrize(("method", "order"), [("euler", 1), ("midpoint", 2)])
def test_the_error_falls_with_the_order(method: str, order: int) -> None:
    start, exact = torch.ones(1, dtype=torch.float64), 2 * torch.e - 2
    errors = [abs(float(Solver(method, n).solve(growth, start)) - exact) for n in (32, 64)]  # type: ignore[arg-type]
    assert errors[0] / errors[1] == pytest.approx(2**order, rel=0.1)


@pytest.mark.parametrize("method", EVALUATIONS)
@pytest.mark.parametrize("steps", [1, 3, 16])
def test_times_are_those_of_the_evaluations(method: str, steps: int) -> None:
    solver, seen = Solver(method, steps), []  # type: ignore[arg-type]
    solver.solve(lambda t, y: seen.append(t) or y, torch.ones(1))  # type: ignore[func-returns-value]
    assert seen == pytest.approx(solver.times)


def test_one_evaluation_at_a_time() -> None:
    running = Solver("midpoint", 2).run(torch.zeros(1))
    t, y = next(running)
    assert (t, float(y)) == (0.0, 0.0)
    t, y = running.send(torch.ones(1))
    assert (t, float(y)) == (0.25, 0.25)


@pytest.mark.parametrize(("method", "steps"), [("heun", 4), ("euler", 0)])
def test_what_it_cannot_do_it_refuses(method: str, steps: int) -> None:
    with pytest.raises(ValueError, match="midpoint"):
        Solver(method, steps)  # type: ignore[arg-type]
