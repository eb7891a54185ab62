"""`benchmarks.solver_curve`: its closed form is the mean that it claims to be, and the solvers converge on it."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch (extra sam-audio) is not installed")

from benchmarks.gaussian_flow import GaussianFlow, gain_of_one
from benchmarks.solver_curve import (
    FIELDS,
    analytic,
    in_words,
    orders,
    settings,
    single_gaussian_db,
    where_modes_sit,
)
from engine.score import si_sdr_db


@pytest.mark.parametrize("t", [0.0, 0.3, 0.8])
def test_the_field_is_the_mean_over_all_pairs_through_a_point(t: float) -> None:
    """By Monte Carlo: pairs drawn, weighted by how near their x_t comes to the point."""
    flow = GaussianFlow(np.array([[1.5], [-1.0], [0.2]]), 0.5)
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(2_000_000)
    data = flow.means[rng.integers(3, size=len(noise)), 0] + 0.5 * rng.standard_normal(len(noise))
    passed = (1 - t) * noise + t * data
    for point in (-0.7, 0.1, 0.9):
        near = np.abs(passed - point) < 0.01
        expected = float(np.mean((data - noise)[near]))
        assert flow.velocity(t, np.array([[point]]))[0, 0] == pytest.approx(expected, abs=0.03)


def test_a_single_gaussian_ends_where_its_formula_says() -> None:
    flow = GaussianFlow.drawn(1, 0.0, 0.3, 16)
    start = np.random.default_rng(1).standard_normal((5, 16))
    np.testing.assert_allclose(flow.solved("midpoint", 1024, start), flow.end_of_one(start), atol=1e-6)
    with pytest.raises(ValueError, match="one cluster"):
        GaussianFlow.drawn(2, 6.0, 0.3, 16).end_of_one(start)


@pytest.mark.parametrize(("method", "order"), [("euler", 1), ("midpoint", 2)])
def test_the_engines_solvers_converge_at_their_order(method: str, order: int) -> None:
    flow = GaussianFlow(np.array([[1.0, 0.0], [-1.0, 0.5]]), 0.6)
    start = np.random.default_rng(2).standard_normal((200, 2))
    true = flow.solved("midpoint", 4096, start)
    errors = [np.sqrt(np.mean(np.square(flow.solved(method, steps, start) - true))) for steps in (64, 128, 256)]
    for coarse, fine in pairwise(errors):
        assert np.log2(coarse / fine) == pytest.approx(order, abs=0.15)


@pytest.mark.parametrize("method", ["euler", "midpoint"])
@pytest.mark.parametrize("steps", [1, 4, 16])
def test_the_error_on_a_single_gaussian_is_the_predicted_one(method: str, steps: int) -> None:
    flow = GaussianFlow.drawn(1, 0.0, 0.3, 64)
    start = np.random.default_rng(3).standard_normal((50, 64))
    expected = flow.means[0] + gain_of_one(method, steps, 0.3) * start
    got = flow.solved(method, steps, start)
    np.testing.assert_allclose(got, expected, atol=1e-6)
    assert si_sdr_db(got, flow.end_of_one(start)) == pytest.approx(single_gaussian_db(method, steps, 0.3), abs=1.5)  # type: ignore[arg-type]


def test_answers_lie_as_far_apart_as_asked() -> None:
    means = GaussianFlow.drawn(32, 22.6, 0.3, 256).means
    apart = np.linalg.norm(means[:, None] - means[None], axis=-1)[~np.eye(32, dtype=bool)]
    assert apart.mean() == pytest.approx(22.6, rel=0.03)


def test_a_curve_rises_with_evaluations_and_its_order_is_read_off() -> None:
    found = analytic("4 answers 6 apart, width 0.3", [2, 8, 32], 1, 512)
    for solver in ("euler", "midpoint"):
        heights = [found["curve"][solver][str(n)]["db"] for n in (2, 8, 32)]
        assert heights == sorted(heights)
    assert found["reference_db"] > found["curve"]["midpoint"]["32"]["db"]
    once, twice = ({str(2**k): {"db": 20 + 6.0206 * k * order} for k in range(8)} for order in (1, 2))
    assert orders({"euler": once, "midpoint": twice}) == {"euler": 1.0, "midpoint": 2.0}


def test_each_mode_is_placed_by_its_own_solver() -> None:
    assert settings([1, 2, 3]) == [("euler", 1, 1), ("euler", 2, 2), ("euler", 3, 3), ("midpoint", 2, 1)]
    curve = {"euler": {}, "midpoint": {str(n): {"db": float(n), "elsewhere": 1 / n} for n in (4, 8)}}
    timed = {"low_latency": {"ms_per_window": 12.5}}
    sits = where_modes_sit({"a": {"curve": curve}, "b": {"curve": curve}}, {"curve": curve}, timed)
    assert sits["balanced"]["analytic_db"] == [8.0, 8.0, 8.0]
    assert sits["low_latency"]["ms_per_window"] == 12.5
    assert sits["quality"]["analytic_db"] is None
    assert "low_latency (midpoint, 4 evaluations) 4 dB (4 … 4), 12.5 ms" in in_words(sits, "tiny")


def test_the_picture_is_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib draws the picture")
    from benchmarks.solver_curve import floors
    from benchmarks.solver_curve_picture import draw

    fields = {name: analytic(name, [2, 4, 8], 1, 64) for name in list(FIELDS)[:2]}
    rows = {str(n): {"db": float(n), "sound_db": n / 2} for n in (2, 4, 8)}
    model = {"name": "tiny", "curve": {"euler": rows, "midpoint": rows}}
    result = {"analytic": fields, "random_weights": model, "floor": floors(), "latency": {}}
    draw({**result, "modes": where_modes_sit(fields, model, {})}, tmp_path / "curve.png")
    assert (tmp_path / "curve.png").stat().st_size > 10_000
