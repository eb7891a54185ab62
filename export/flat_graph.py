"""The ONNX graph of a flat core: about 40 nodes, none of which computes a shape.

Everything between the two transposes runs time first (`[T, B, ...]`), the layout of ONNX's GRU.
"""

from __future__ import annotations

import numpy as np
import onnx

from export.graph import Float32, GraphWriter, Shape, array, finished
from export.models.flat import COMPRESSION, FLOOR, FlatCore


def _gates(matrix: Float32) -> Float32:
    """torch stacks reset, update, new; ONNX update, reset, hidden (operator GRU, opset 14)."""
    reset, update, new = np.split(matrix, 3)
    return np.concatenate([update, reset, new])


def _features(graph: GraphWriter, core: FlatCore) -> str:
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
    graph.add("MatMul", ["shape", graph.weight("shape_in", array(core.shape_in.weight).T)], "shape_features")
    graph.add("Log", ["level"], "log_level")
    graph.add("Mul", ["log_level", graph.weight("level_in", array(core.level_in.weight).T)], "level_features")
    graph.add("Add", ["shape_features", graph.weight("shape_bias", array(core.shape_in.bias))], "biased_features")
    graph.add("Add", ["biased_features", "level_features"], "raw_features")
    return _normed(graph, core, "raw_features", "features")


def _modulation(graph: GraphWriter, core: FlatCore) -> list[str]:
    """Names of scale and shift, each `[B, hidden]`, of every norm; the 1 of "1 + scale" is folded into the bias."""
    width, norms = core.config.hidden, len(core.norms)
    bias = array(core.film.bias).reshape(norms, 2, width).copy()
    bias[:, 0] += 1
    film, film_bias = graph.weight("film", array(core.film.weight).T), graph.weight("film_bias", bias.ravel())
    graph.add("Gemm", ["query", film, film_bias], "modulation")
    names = [f"{kind}_{index}" for index in range(norms) for kind in ("scale", "shift")]
    sizes = graph.weight("film_sizes", [width] * (2 * norms), np.int64)
    graph.add("Split", ["modulation", sizes], names[0], *names[1:], axis=1)
    return names


def _block(graph: GraphWriter, core: FlatCore, index: int, features: str) -> str:
    """One FiLM → GRU → residual; reads `state_{index}`, leaves `last_{index}`."""
    gru = core.grus[index]
    asked = _modulated(graph, core, index, features)
    graph.add("Add", [asked, "hinted"], f"asked_{index}")
    weights = {
        "w": _gates(array(gru.weight_ih_l0)),
        "r": _gates(array(gru.weight_hh_l0)),
        "b": np.concatenate([_gates(array(gru.bias_ih_l0)), _gates(array(gru.bias_hh_l0))]),
    }
    inputs = [graph.weight(f"gru_{index}_{name}", value[None]) for name, value in weights.items()]
    graph.add("GRU", [f"asked_{index}", *inputs, "", f"state_{index}"], f"y_{index}", f"last_{index}",
              hidden_size=core.config.hidden, linear_before_reset=1)  # fmt: skip
    graph.add("Squeeze", [f"y_{index}", graph.weight("direction_axis", [1], np.int64)], f"heard_{index}")
    join = core.joins[index]
    graph.add("MatMul", [f"heard_{index}", graph.weight(f"join_{index}", array(join.weight).T)], f"joined_{index}")
    graph.add("Add", [f"joined_{index}", graph.weight(f"join_bias_{index}", array(join.bias))], f"biased_{index}")
    return graph.add("Add", [features, f"biased_{index}"], f"stream_{index}")


def _normed(graph: GraphWriter, core: FlatCore, features: str, output: str) -> str:
    ones = graph.weight("norm_ones", np.ones(core.config.hidden))
    zeros = graph.weight("norm_zeros", np.zeros(core.config.hidden))
    return graph.add("LayerNormalization", [features, ones, zeros], output, axis=-1, epsilon=1e-5)


def _modulated(graph: GraphWriter, core: FlatCore, index: int, features: str) -> str:
    _normed(graph, core, features, f"normed_{index}")
    graph.add("Mul", [f"normed_{index}", f"scale_{index}"], f"scaled_{index}")
    return graph.add("Add", [f"scaled_{index}", f"shift_{index}"], f"shifted_{index}")


def _heads(graph: GraphWriter, core: FlatCore, out: str) -> None:
    graph.add("MatMul", [out, graph.weight("mask_out", array(core.mask_out.weight).T)], "mask_matmul")
    graph.add("Add", ["mask_matmul", graph.weight("mask_bias", array(core.mask_out.bias))], "mask_logits")
    graph.add("Sigmoid", ["mask_logits"], "gains_tb")
    graph.add("Transpose", ["gains_tb"], "mask", perm=[1, 0, 2])
    graph.add("MatMul", [out, graph.weight("active_out", array(core.active_out.weight).T)], "active_matmul")
    graph.add("Add", ["active_matmul", graph.weight("active_bias", array(core.active_out.bias))], "active_logits")
    graph.add("Sigmoid", ["active_logits"], "active_tb1")
    graph.add("Squeeze", ["active_tb1", "last_axis"], "active_tb")
    graph.add("Transpose", ["active_tb"], "active", perm=[1, 0])


def flat_graph(core: FlatCore) -> onnx.ModelProto:
    """The graph that the engine runs.

    In: `spectrum [B, T, bins, 2]`, `query [B, 64]`, `hint [B, 2]` (one for the call), `state [blocks, B, hidden]`.
    Out: `mask [B, T, bins]`, `active [B, T]`, `state_out` like `state`.

    Raises:
        onnx.checker.ValidationError: the graph is not valid (a fault of this file).
    """
    config, graph = core.config, GraphWriter()
    features = _features(graph, core)
    _modulation(graph, core)
    graph.add("MatMul", ["hint", graph.weight("hint_in", array(core.hint_in.weight).T)], "hinted")
    names = [f"state_{index}" for index in range(config.blocks)]
    graph.add(
        "Split", ["state", graph.weight("block_sizes", [1] * config.blocks, np.int64)], names[0], *names[1:], axis=0
    )
    for index in range(config.blocks):
        features = _block(graph, core, index, features)
    _heads(graph, core, _modulated(graph, core, config.blocks, features))
    graph.add("Concat", [f"last_{index}" for index in range(config.blocks)], "state_out", axis=0)
    state: Shape = [config.blocks, "B", config.hidden]
    return finished(
        graph,
        "separator",
        {"spectrum": ["B", "T", config.bins, 2], "query": ["B", config.query], "hint": ["B", 2], "state": state},
        {"mask": ["B", "T", config.bins], "active": ["B", "T"], "state_out": state},
    )
