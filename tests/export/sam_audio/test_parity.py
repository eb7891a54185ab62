from __future__ import annotations

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


def test_another_model_is_not_taken_for_this_one(made: dict[str, Graph]) -> None:
    graph = made["condition"]
    cases = parity.cases_of(graph)
    cases[0].wanted[0] += 1e-3
    with pytest.raises(ParityError, match="condition: largest difference"):
        parity.check(graph, FROZEN / graph.file, cases, torch.float32)


def test_what_is_not_finite_is_refused(made: dict[str, Graph]) -> None:
    graph = made["condition"]
    cases = parity.cases_of(graph)
    cases[0].wanted[0][:] = np.nan
    with pytest.raises(ParityError):
        parity.check(graph, FROZEN / graph.file, cases, torch.float32)
    with pytest.raises(ParityError, match="signal to noise"):
        parity.check(graph, FROZEN / graph.file, cases, torch.float16)
