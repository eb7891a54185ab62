from __future__ import annotations

import pytest

pytest.importorskip("onnx")

from export import to_onnx
from export.models.flat import QueriedSeparator


def test_the_graph_has_the_contract_and_few_nodes(model: QueriedSeparator) -> None:
    graph = to_onnx.separator_graph(model.core).graph
    assert [value.name for value in graph.input] == ["spectrum", "query", "hint", "state"]
    assert [value.name for value in graph.output] == ["mask", "active", "state_out"]
    assert len(graph.node) < 60
    assert not [node.op_type for node in graph.node if node.op_type in ("Shape", "Constant", "Reshape", "Cast")]


def test_it_is_small_enough_for_a_repository() -> None:
    from export.models.flat import FlatConfig, FlatCore

    assert to_onnx.separator_graph(FlatCore(FlatConfig())).ByteSize() < 6e6
