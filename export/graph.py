"""Write ONNX graphs by hand, node by node: a tracer would leave ~150 nodes that only compute shapes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
MICROSOFT = "com.microsoft"
"""Domain of ONNX Runtime's own operators."""
IR_VERSION = 8
"""The first that knows opset 17; older runtimes refuse newer ones."""

Float32 = npt.NDArray[np.float32]
Shape = list[int | str]
"""Sizes, and the names of the free ones."""


class GraphWriter:
    """Nodes and weights in the order they are added; `add` returns the name of the (first) output.

    `branch` makes a writer for a subgraph: its names get a prefix, its weights lie in the outer graph, once for all.
    """

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: dict[str, onnx.TensorProto] = {}

    def branch(self) -> GraphWriter:
        """An empty writer that shares this one's weights."""
        inner = GraphWriter()
        inner.weights = self.weights
        return inner

    def weight(self, name: str, value: npt.ArrayLike, dtype: type = np.float32) -> str:
        """A constant; a second one of the same name is the first."""
        if name not in self.weights:
            self.weights[name] = numpy_helper.from_array(np.array(value, dtype, order="C"), name)
        return name

    def add(self, kind: str, inputs: list[str], output: str, *more: str, **attributes: Any) -> str:
        """One node."""
        self.nodes.append(helper.make_node(kind, inputs, [output, *more], name=f"{kind}_{output}", **attributes))
        return output


def array(parameter: object) -> Float32:
    """Values of a torch parameter."""
    return np.asarray(parameter.detach().cpu().float().numpy())  # type: ignore[attr-defined]


def described(values: dict[str, Shape]) -> list[onnx.ValueInfoProto]:
    """Names and shapes of float inputs or outputs."""
    return [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in values.items()]


def finished(writer: GraphWriter, name: str, inputs: dict[str, Shape], outputs: dict[str, Shape]) -> onnx.ModelProto:
    """The model, checked.

    Raises:
        onnx.checker.ValidationError: the graph is not valid (a fault of whoever wrote it).
    """
    body = helper.make_graph(writer.nodes, name, described(inputs), described(outputs), list(writer.weights.values()))
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)]
    model = helper.make_model(body, opset_imports=opsets, producer_name="winnow export")
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model, full_check=True)
    return model
