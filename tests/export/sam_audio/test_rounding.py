from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from export.sam_audio.rounding import runnable


def graph_of(path: Path, boundary: int) -> None:
    weight = helper.make_tensor("w", TensorProto.BFLOAT16, [2, 2], [1.0, 0.0, 0.0, 1.0])
    nodes = [
        helper.make_node("Cast", ["x"], ["narrow"], to=TensorProto.BFLOAT16),
        helper.make_node("MatMul", ["narrow", "w"], ["product"]),
        helper.make_node("Add", ["product", "narrow"], ["sum"]),
        helper.make_node("Cast", ["sum"], ["y"], to=boundary),
    ]
    ends = [helper.make_tensor_value_info(name, kind, [1, 2]) for name, kind in (("x", 1), ("y", boundary))]
    made = helper.make_graph(nodes, "g", ends[:1], ends[1:], [weight])
    onnx.save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=9), path)


def test_every_result_is_rounded(tmp_path: Path) -> None:
    graph_of(tmp_path / "g.onnx", TensorProto.FLOAT)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(runnable(tmp_path / "g.onnx").SerializeToString(), options)
    (y,) = session.run(None, {"x": np.array([[1.001, 3.0]], np.float32)})
    assert y.tolist() == [[2.0, 6.0]]  # 1.001 is 1 in bfloat16


def test_a_narrow_boundary_is_refused(tmp_path: Path) -> None:
    graph_of(tmp_path / "g.onnx", TensorProto.BFLOAT16)
    with pytest.raises(ValueError, match="input or output"):
        runnable(tmp_path / "g.onnx")
