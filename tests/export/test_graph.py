from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("onnx")
import onnx
from onnx import numpy_helper

from export.graph import GraphWriter, finished


def test_a_weight_of_one_name_is_kept_once_with_its_rank() -> None:
    writer = GraphWriter()
    inner = writer.branch()
    assert inner.weight("one", 1.0) == writer.weight("one", 2.0) == "one"
    assert len(writer.weights) == 1
    assert numpy_helper.to_array(writer.weights["one"]).shape == ()


def test_a_finished_graph_is_checked() -> None:
    writer = GraphWriter()
    writer.add("Add", ["x", writer.weight("two", np.full(3, 2.0))], "y")
    assert finished(writer, "adds", {"x": ["B", 3]}, {"y": ["B", 3]}).graph.node[0].name == "Add_y"
    writer.add("Add", ["x", "nowhere"], "z")
    with pytest.raises(onnx.checker.ValidationError):
        finished(writer, "broken", {"x": ["B", 3]}, {"z": ["B", 3]})
