"""`engine.runtimes.onnx_joining`: a graph written by hand is one, and joins what lies on a device."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")

import onnxruntime as ort

from engine.runtimes.onnx_joining import Joining, joined_arrays, joining_graph


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("count", [1, 2, 40])
def test_the_graph_is_a_valid_one(count: int, padded: bool) -> None:
    onnx = pytest.importorskip("onnx", reason="the package onnx reads the graph (extra export)")
    model = onnx.load_from_string(joining_graph(onnx.TensorProto.FLOAT16, 3, count, padded))
    onnx.checker.check_model(model)
    assert len(model.graph.input) == count * (2 if padded else 1)
    assert [item.name for item in model.graph.output] == ["y"]


@pytest.mark.parametrize("kind", [np.float32, np.float16])
@pytest.mark.parametrize("lengths", [(4, 4, 4), (1, 4, 2), (3,)])
def test_the_device_joins_as_the_host_does(kind: Any, lengths: tuple[int, ...]) -> None:
    random = np.random.default_rng(0)
    parts = [random.standard_normal((1, 3, length, 2)).astype(kind) for length in lengths]
    joining = Joining("cpu", "CPUExecutionProvider", ort.SessionOptions())
    held = [ort.OrtValue.ortvalue_from_numpy(part) for part in parts]
    for _ in range(2):
        made = joining.joined(held, 2, 4).numpy()
        np.testing.assert_array_equal(made, joined_arrays(parts, 2, 4))
        assert made.dtype == kind
    with pytest.raises(ValueError, match="longer"):
        joining.joined(held, 2, 0)


def test_one_alone_is_not_copied() -> None:
    part = np.ones((1, 5), np.float32)
    assert joined_arrays([part], None, 0) is part
    held = ort.OrtValue.ortvalue_from_numpy(part)
    assert Joining("cpu", "CPUExecutionProvider", ort.SessionOptions()).joined([held], None, 0) is held
