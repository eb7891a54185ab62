from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")

from engine.spec import StateSpec
from export import parity
from export.state_graphs import write_state_graphs


@pytest.mark.parametrize("axis", [0, 1])
def test_gather_and_scatter_move_rows(axis: int, tmp_path: Path) -> None:
    state = StateSpec(name="state", output="state_out", shape=(2, 32), batch_axis=axis)
    files = write_state_graphs(tmp_path, state)
    shape = [2, 32]
    shape.insert(axis, 5)
    bank = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    slots = np.array([4, 1])
    (moved,) = parity.open_graph(tmp_path / files["gather"]).run(None, {"bank": bank, "slots": slots})
    np.testing.assert_array_equal(moved, bank.take(slots, axis))
    feeds = {"bank": bank, "slots": slots, "state": moved + 1}
    (out,) = parity.open_graph(tmp_path / files["scatter"]).run(None, feeds)
    np.testing.assert_array_equal(out.take(slots, axis), moved + 1)
    np.testing.assert_array_equal(out.take([0, 2, 3], axis), bank.take([0, 2, 3], axis))
