"""A bfloat16 graph in a form that a CPU can run, to check it where there is no GPU.

ONNX Runtime has no bfloat16 kernels on the CPU. Here every operation is done in float32 on operands that were rounded
to bfloat16, and its result is rounded to bfloat16: what a device with wide accumulators computes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

NARROW = TensorProto.BFLOAT16
WIDE = TensorProto.FLOAT


def runnable(path: Path) -> onnx.ModelProto:
    """The graph at `path` without bfloat16 but in the rounding; its inputs and outputs must be of other types.

    Raises:
        ValueError: a bfloat16 input or output, or a graph within a node.
    """
    model = onnx.load(path)
    graph = model.graph
    if any(value.type.tensor_type.elem_type == NARROW for value in (*graph.input, *graph.output)):
        raise ValueError(f"{path}: an input or output is bfloat16")
    narrow = _narrow_values(path)
    nodes = [made for node in graph.node for made in _rounding(node, narrow)]
    del graph.node[:], graph.value_info[:]
    graph.node.extend(nodes)
    for tensor in graph.initializer:
        _widen(tensor)
    return model


def _narrow_values(path: Path) -> set[str]:
    """Names of the bfloat16 values; weights in a file of their own are not needed for that, and may be too large."""
    inferred = onnx.shape_inference.infer_shapes(onnx.load(path, load_external_data=False)).graph
    return {value.name for value in inferred.value_info if value.type.tensor_type.elem_type == NARROW}


def _widen(tensor: onnx.TensorProto) -> None:
    if tensor.data_type == NARROW:
        wide = numpy_helper.to_array(tensor).astype(np.float32)
        tensor.CopyFrom(numpy_helper.from_array(wide, tensor.name))


def _rounding(node: onnx.NodeProto, narrow: set[str]) -> list[onnx.NodeProto]:
    """The node, and for each bfloat16 output the way through bfloat16 and back."""
    own = onnx.NodeProto()
    own.CopyFrom(node)
    for attribute in own.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH:
            raise ValueError(f"{node.op_type} holds a graph")
        if attribute.name == "value" and attribute.t.data_type == NARROW:
            _widen(attribute.t)
        if attribute.name == "to" and attribute.i == NARROW:
            attribute.i = WIDE
    after = []
    for place, name in enumerate(node.output):
        if name in narrow:
            exact, rounded = f"{name}.exact", f"{name}.rounded"
            own.output[place] = exact
            after.append(helper.make_node("Cast", [exact], [rounded], to=NARROW))
            after.append(helper.make_node("Cast", [rounded], [name], to=WIDE))
    return [own, *after]
