from __future__ import annotations

import pytest

pytest.importorskip("onnx")

from export import to_onnx
from export.models.queried import QueriedSeparator


@pytest.mark.parametrize("fixture", ["model", "flat_model"])
def test_the_graph_has_the_contract(fixture: str, request: pytest.FixtureRequest) -> None:
    model: QueriedSeparator = request.getfixturevalue(fixture)
    graph = to_onnx.separator_graph(model.core).graph
    assert [value.name for value in graph.input] == ["spectrum", "query", "hint", "state"]
    assert [value.name for value in graph.output] == ["mask", "active", "state_out"]
    state = to_onnx.state_spec(model.core)
    shape = [size.dim_value for size in graph.input[3].type.tensor_type.shape.dim]
    assert shape.pop(state.batch_axis) == 0
    assert tuple(shape) == state.shape


def test_it_is_small_enough_for_a_repository() -> None:
    assert to_onnx.separator_graph(QueriedSeparator(["a"]).core).ByteSize() < 8e6
