"""Write the ONNX graph of a flat core by hand, node by node.

A tracer would leave ~150 shape nodes in a graph of this size; here there are about 40 nodes and none of them computes
a shape. Everything between the two transposes runs time first (`[T, B, ...]`), the layout of ONNX's GRU.

The two little graphs that move states on a device are in `export/state_graphs.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from export.models.flat import COMPRESSION, FLOOR, FlatCore

OPSET = 17
IR_VERSION = 8
"""The first that knows opset 17; older runtimes refuse newer ones."""

Float32 = npt.NDArray[np.float32]
Shape = list[int | str]
"""Sizes, and the names of the free ones."""


class _Graph:
    """Nodes and weights in the order they are added; `add` returns the name of the (first) output."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: dict[str, onnx.TensorProto] = {}

    def weight(self, name: str, value: npt.ArrayLike, dtype: type = np.float32) -> str:
        self.weights[name] = numpy_helper.from_array(np.ascontiguousarray(np.asarray(value, dtype)), name)
        return name

    def add(self, kind: str, inputs: list[str], output: str, *more: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output, *more], name=f"{kind}_{output}", **attributes))
        return output


def _array(parameter: object) -> Float32:
    return np.asarray(parameter.detach().cpu().float().numpy())  # type: ignore[attr-defined]


def _gates(matrix: Float32) -> Float32:
    """torch stacks reset, update, new; ONNX update, reset, hidden (operator GRU, opset 14)."""
    reset, update, new = np.split(matrix, 3)
    return np.concatenate([update, reset, new])


def _features(graph: _Graph, core: FlatCore) -> str:
    """`spectrum [B, T, bins, 2]` → `[T, B, hidden]`."""
    graph.add("Mul", ["spectrum", "spectrum"], "squares")
    graph.add("ReduceSum", ["squares", graph.weight("last_axis", [-1], np.int64)], "power_bt", keepdims=0)
    graph.add("Transpose", ["power_bt"], "power", perm=[1, 0, 2])
    graph.add("Add", ["power", graph.weight("floor", FLOOR)], "floored")
    graph.add("Log", ["floored"], "log_power")
    graph.add("Mul", ["log_power", graph.weight("half_compression", 0.5 * COMPRESSION)], "log_magnitude")
    graph.add("Exp", ["log_magnitude"], "magnitude")
    graph.add("ReduceMean", ["magnitude"], "level", axes=[-1], keepdims=1)
    graph.add("Div", ["magnitude", "level"], "ratio")
    graph.add("Sub", ["ratio", graph.weight("one", 1.0)], "shape")
    graph.add("MatMul", ["shape", graph.weight("shape_in", _array(core.shape_in.weight).T)], "shape_features")
    graph.add("Log", ["level"], "log_level")
    graph.add("Mul", ["log_level", graph.weight("level_in", _array(core.level_in.weight).T)], "level_features")
    graph.add("Add", ["shape_features", graph.weight("shape_bias", _array(core.shape_in.bias))], "biased_features")
    graph.add("Add", ["biased_features", "level_features"], "raw_features")
    return _normed(graph, core, "raw_features", "features")


def _modulation(graph: _Graph, core: FlatCore) -> list[str]:
    """Names of scale and shift, each `[B, hidden]`, of every norm; the 1 of "1 + scale" is folded into the bias."""
    width, norms = core.config.hidden, len(core.norms)
    bias = _array(core.film.bias).reshape(norms, 2, width).copy()
    bias[:, 0] += 1
    film, film_bias = graph.weight("film", _array(core.film.weight).T), graph.weight("film_bias", bias.ravel())
    graph.add("Gemm", ["query", film, film_bias], "modulation")
    names = [f"{kind}_{index}" for index in range(norms) for kind in ("scale", "shift")]
    sizes = graph.weight("film_sizes", [width] * (2 * norms), np.int64)
    graph.add("Split", ["modulation", sizes], names[0], *names[1:], axis=1)
    return names


def _block(graph: _Graph, core: FlatCore, index: int, features: str) -> str:
    """One FiLM → GRU → residual; reads `state_{index}`, leaves `last_{index}`."""
    gru = core.grus[index]
    asked = _modulated(graph, core, index, features)
    graph.add("Add", [asked, "hinted"], f"asked_{index}")
    weights = {
        "w": _gates(_array(gru.weight_ih_l0)),
        "r": _gates(_array(gru.weight_hh_l0)),
        "b": np.concatenate([_gates(_array(gru.bias_ih_l0)), _gates(_array(gru.bias_hh_l0))]),
    }
    inputs = [graph.weight(f"gru_{index}_{name}", value[None]) for name, value in weights.items()]
    graph.add("GRU", [f"asked_{index}", *inputs, "", f"state_{index}"], f"y_{index}", f"last_{index}",
              hidden_size=core.config.hidden, linear_before_reset=1)  # fmt: skip
    graph.add("Squeeze", [f"y_{index}", graph.weight("direction_axis", [1], np.int64)], f"heard_{index}")
    join = core.joins[index]
    graph.add("MatMul", [f"heard_{index}", graph.weight(f"join_{index}", _array(join.weight).T)], f"joined_{index}")
    graph.add("Add", [f"joined_{index}", graph.weight(f"join_bias_{index}", _array(join.bias))], f"biased_{index}")
    return graph.add("Add", [features, f"biased_{index}"], f"stream_{index}")


def _normed(graph: _Graph, core: FlatCore, features: str, output: str) -> str:
    ones = graph.weight("norm_ones", np.ones(core.config.hidden))
    zeros = graph.weight("norm_zeros", np.zeros(core.config.hidden))
    return graph.add("LayerNormalization", [features, ones, zeros], output, axis=-1, epsilon=1e-5)


def _modulated(graph: _Graph, core: FlatCore, index: int, features: str) -> str:
    _normed(graph, core, features, f"normed_{index}")
    graph.add("Mul", [f"normed_{index}", f"scale_{index}"], f"scaled_{index}")
    return graph.add("Add", [f"scaled_{index}", f"shift_{index}"], f"shifted_{index}")


def _heads(graph: _Graph, core: FlatCore, out: str) -> None:
    graph.add("MatMul", [out, graph.weight("mask_out", _array(core.mask_out.weight).T)], "mask_matmul")
    graph.add("Add", ["mask_matmul", graph.weight("mask_bias", _array(core.mask_out.bias))], "mask_logits")
    graph.add("Sigmoid", ["mask_logits"], "gains_tb")
    graph.add("Transpose", ["gains_tb"], "gains", perm=[1, 0, 2])
    graph.add("Unsqueeze", ["gains", "last_axis"], "gains_real")
    # the imaginary part is zero: [g] × [1, 0] makes [g, 0], the complex mask of the contract
    graph.add("Mul", ["gains_real", graph.weight("real_only", [1.0, 0.0])], "mask")
    graph.add("MatMul", [out, graph.weight("active_out", _array(core.active_out.weight).T)], "active_matmul")
    graph.add("Add", ["active_matmul", graph.weight("active_bias", _array(core.active_out.bias))], "active_logits")
    graph.add("Sigmoid", ["active_logits"], "active_tb1")
    graph.add("Squeeze", ["active_tb1", "last_axis"], "active_tb")
    graph.add("Transpose", ["active_tb"], "active", perm=[1, 0])


def separator_graph(core: FlatCore) -> onnx.ModelProto:
    """The graph that the engine runs.

    In: `spectrum [B, T, bins, 2]`, `query [B, 64]`, `hint [B, 2]` (one for the call), `state [blocks, B, hidden]`.
    Out: `mask [B, T, bins, 2]` (complex; the host multiplies), `active [B, T]`, `state_out` like `state`.

    Raises:
        onnx.checker.ValidationError: the graph is not valid (a fault of this file).
    """
    config, graph = core.config, _Graph()
    features = _features(graph, core)
    _modulation(graph, core)
    graph.add("MatMul", ["hint", graph.weight("hint_in", _array(core.hint_in.weight).T)], "hinted")
    names = [f"state_{index}" for index in range(config.blocks)]
    graph.add(
        "Split", ["state", graph.weight("block_sizes", [1] * config.blocks, np.int64)], names[0], *names[1:], axis=0
    )
    for index in range(config.blocks):
        features = _block(graph, core, index, features)
    _heads(graph, core, _modulated(graph, core, config.blocks, features))
    graph.add("Concat", [f"last_{index}" for index in range(config.blocks)], "state_out", axis=0)
    state: Shape = [config.blocks, "B", config.hidden]
    return _model(
        graph,
        "separator",
        {"spectrum": ["B", "T", config.bins, 2], "query": ["B", config.query], "hint": ["B", 2], "state": state},
        {"mask": ["B", "T", config.bins, 2], "active": ["B", "T"], "state_out": state},
    )


def _model(graph: _Graph, name: str, inputs: dict[str, Shape], outputs: dict[str, Shape]
           ) -> onnx.ModelProto:  # fmt: skip
    def describe(values: dict[str, Shape]) -> list[onnx.ValueInfoProto]:
        return [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n, shape in values.items()]

    body = helper.make_graph(graph.nodes, name, describe(inputs), describe(outputs), list(graph.weights.values()))
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="winnow export")
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model, full_check=True)
    return model


def write(model: onnx.ModelProto, path: Path) -> None:
    """Save a graph.

    Raises:
        OSError: it cannot be written.
    """
    path.write_bytes(model.SerializeToString())
