from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from export.parity import ParityError
from export.sam_audio import parity
from export.sam_audio.graphs import Graph
from tests.export.sam_audio.conftest import FROZEN

NAMES = ("text", "encoder", "watermark", "decoder", "vision", "condition", "velocity")


@pytest.mark.parametrize("name", NAMES)
def test_the_frozen_graphs_compute_what_the_model_does(name: str, made: dict[str, Graph]) -> None:
    """At four sizes of every free axis, one of which is 1."""
    graph = made[name]
    found = parity.check(graph, FROZEN / graph.file, parity.cases_of(graph), torch.float32)
    assert 0 <= found[name] <= 1e-5


@pytest.mark.parametrize(("by", "said"), [(1.0001, "is rounding"), (1.01, "dB signal to noise, at least 60 wanted")])
def test_another_model_is_not_taken_for_this_one(by: float, said: str, made: dict[str, Graph]) -> None:
    """Of the same shapes: one matrix is a little larger."""
    part: Any = copy.deepcopy(made["decoder"].part)
    with torch.no_grad():
        part.projection.weight.mul_(by)
    graph = replace(made["decoder"], part=part)
    with pytest.raises(ParityError, match=f"^decoder: .*{said}"):
        parity.check(graph, FROZEN / graph.file, parity.cases_of(graph), torch.float32)


def test_what_is_not_finite_is_refused(made: dict[str, Graph]) -> None:
    graph = made["condition"]
    cases = parity.cases_of(graph)
    cases[0].wanted[0][:] = np.nan
    with pytest.raises(ParityError):
        parity.check(graph, FROZEN / graph.file, cases, torch.float32)
    with pytest.raises(ParityError, match="signal to noise"):
        parity.check(graph, FROZEN / graph.file, cases, torch.float16)


def with_errors(monkeypatch: pytest.MonkeyPatch, errors: Callable[[Any], Any]) -> None:
    """From here on every graph's outputs come with `errors(output)` added."""

    class Wrong:
        def __init__(self, path: Path, _precision: torch.dtype) -> None:
            self._inner = opened(path)

        def run(self, names: list[str], feeds: Any) -> list[Any]:
            return [made + errors(made).astype(np.float32) for made in self._inner.run(names, feeds)]

    opened = parity.open_graph
    monkeypatch.setattr(parity, "open_graph", Wrong)


def spike(at: Any) -> Any:
    found = np.zeros_like(at)
    found.flat[0] = 3e-5
    return found


@pytest.mark.parametrize("name", NAMES)
def test_rounding_above_the_bound_is_held_to_float64(
    name: str, made: dict[str, Graph], monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = made[name]
    before = {key: weight.clone() for key, weight in graph.part.state_dict().items()}
    monkeypatch.setattr(parity, "TOLERANCE", 0.0)
    found = parity.check(graph, FROZEN / graph.file, parity.cases_of(graph), torch.float32)
    assert set(found) == {name, f"{name}_vs_float64", f"{name}_torch_vs_float64"}
    assert found[f"{name}_vs_float64"] < 1e-5
    after = graph.part.state_dict()
    assert all(torch.equal(weight, after[key]) and after[key].dtype == weight.dtype for key, weight in before.items())
    assert getattr(graph.part, "precision", torch.float32) == torch.float32


def test_float64_is_nearer_to_the_truth_than_float32(made: dict[str, Graph]) -> None:
    """Of a value that can be had exactly: sums of many products."""
    graph = made["decoder"]
    (case, *_) = parity.cases_of(graph)
    (exact,) = parity._in_float64(graph, [case])
    assert 0 < np.abs(exact[0] - case.wanted[0]).max() < 1e-5


def test_one_wrong_sample_is_no_rounding(made: dict[str, Graph], monkeypatch: pytest.MonkeyPatch) -> None:
    graph = made["decoder"]
    cases = parity.cases_of(graph)
    with_errors(monkeypatch, spike)
    with pytest.raises(ParityError, match=r"decoder: off from float64 by .*, torch by .* is rounding"):
        parity.check(graph, FROZEN / graph.file, cases, torch.float32)


def test_a_quiet_output_is_held_to_its_own_power(made: dict[str, Graph], monkeypatch: pytest.MonkeyPatch) -> None:
    """Within 1e-5 everywhere, and yet no faithful copy of unit vectors, whose numbers are small."""
    graph = made["vision"]
    cases = parity.cases_of(graph)
    with_errors(monkeypatch, lambda made: np.full_like(made, 9e-6))
    with pytest.raises(ParityError, match=r"vision: off from float64 by .*, torch by .* is rounding"):
        parity.check(graph, FROZEN / graph.file, cases, torch.float32)
