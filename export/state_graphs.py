"""The two little graphs that move recurrent states between a bank and a batch without leaving the device.

`gather`: `bank` (slots on the batch axis), `slots` (n,) → `state`. `scatter`: `bank`, `slots`, `state` → `bank_out`.
They hold no weights; the engine uses them where the bank lives on a GPU (`engine/runtimes/onnx.py`).
"""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import TensorProto, helper

from engine.spec import StateSpec

OPSET = 17
IR_VERSION = 9


def gather_graph(state: StateSpec) -> onnx.ModelProto:
    """`bank`, `slots` → `state`: the slices of `slots` along the batch axis."""
    node = helper.make_node("Gather", ["bank", "slots"], ["state"], axis=state.batch_axis)
    return _model([node], "gather", [_bank(state, "bank"), _slots()], [_batch(state, "state")])


def scatter_graph(state: StateSpec) -> onnx.ModelProto:
    """`bank`, `slots`, `state` → `bank_out`: the bank with those slices replaced.

    ScatterND replaces along the first axes only, so the batch axis is brought to the front and back. Where a slot
    stands twice (padding, which all goes to row 0) any one of its updates stays.
    """
    rank = len(state.shape) + 1
    axis = state.batch_axis
    front = [axis, *(index for index in range(rank) if index != axis)]
    back = [front.index(index) for index in range(rank)]
    one = helper.make_tensor("one", TensorProto.INT64, [1], [1])
    nodes = [
        helper.make_node("Transpose", ["bank"], ["bank_front"], perm=front),
        helper.make_node("Transpose", ["state"], ["state_front"], perm=front),
        helper.make_node("Unsqueeze", ["slots", "one"], ["where"]),
        helper.make_node("ScatterND", ["bank_front", "where", "state_front"], ["placed"]),
        helper.make_node("Transpose", ["placed"], ["bank_out"], perm=back),
    ]
    inputs = [_bank(state, "bank"), _slots(), _batch(state, "state")]
    return _model(nodes, "scatter", inputs, [_bank(state, "bank_out")], [one])


def write_state_graphs(folder: Path, state: StateSpec) -> dict[str, str]:
    """Write both graphs into a bundle; returns graph name → file for `ModelSpec.graphs`.

    Raises:
        OSError: a file cannot be written.
    """
    files = {"gather": "gather.onnx", "scatter": "scatter.onnx"}
    onnx.save(gather_graph(state), folder / files["gather"])
    onnx.save(scatter_graph(state), folder / files["scatter"])
    return files


def _shape(state: StateSpec, axis_name: str) -> list[int | str]:
    shape: list[int | str] = list(state.shape)
    shape.insert(state.batch_axis, axis_name)
    return shape


def _bank(state: StateSpec, name: str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, _shape(state, "bank_size"))


def _batch(state: StateSpec, name: str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, _shape(state, "batch"))


def _slots() -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info("slots", TensorProto.INT64, ["batch"])


def _model(
    nodes: list[onnx.NodeProto],
    name: str,
    inputs: list[onnx.ValueInfoProto],
    outputs: list[onnx.ValueInfoProto],
    constants: list[onnx.TensorProto] | None = None,
) -> onnx.ModelProto:
    graph = helper.make_graph(nodes, name, inputs, outputs, constants or [])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model)
    return model
