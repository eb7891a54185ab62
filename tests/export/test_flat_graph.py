from __future__ import annotations

import pytest

pytest.importorskip("onnx")

from export.flat_graph import flat_graph
from export.models.flat import FlatConfig, FlatCore


def test_it_has_few_nodes_and_none_computes_a_shape() -> None:
    graph = flat_graph(FlatCore(FlatConfig(hidden=32, query=16))).graph
    assert len(graph.node) < 60
    assert not [node.op_type for node in graph.node if node.op_type in ("Shape", "Constant", "Reshape", "Cast")]
