"""The ONNX graph of a core, whichever it is. The graphs that move states on a device: `export/state_graphs.py`."""

from __future__ import annotations

from pathlib import Path

import onnx

from engine.spec import StateSpec
from export.flat_graph import flat_graph
from export.linear_graph import linear_graph
from export.models.flat import FlatCore
from export.models.queried import Core


def separator_graph(core: Core, *, int8: bool = False) -> onnx.ModelProto:
    """The graph that the engine runs; `int8`: the weights of a linear core rounded to 8 bits (a flat core's stay).

    In: `spectrum [B, T, bins, 2]`, `query [B, 64]`, `hint [B, 2]` (one for the call), `state` (see `state_spec`).
    Out: `mask [B, T, bins]` (a real gain; the host multiplies), `active [B, T]`, `state_out` like `state`.

    Raises:
        onnx.checker.ValidationError: the graph is not valid (a fault of its writer).
    """
    return flat_graph(core) if isinstance(core, FlatCore) else linear_graph(core, int8=int8)


def state_spec(core: Core) -> StateSpec:
    """What the bundle says of the graph's state."""
    rows, width = core.config.state_shape
    if isinstance(core, FlatCore):
        return StateSpec(name="state", output="state_out", shape=(rows, width), batch_axis=1)
    return StateSpec(name="state", output="state_out", shape=(rows * width,), batch_axis=0)


def write(model: onnx.ModelProto, path: Path) -> None:
    """Save a graph.

    Raises:
        OSError: it cannot be written.
    """
    path.write_bytes(model.SerializeToString())
