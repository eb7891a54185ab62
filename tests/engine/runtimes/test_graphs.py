"""`engine.runtimes.graphs`: what every runtime of many graphs promises (the one there is: `onnx_graphs`)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.errors import EngineFault
from engine.runtimes.graphs import Graphs
from tests.engine.flow import FOLDER

pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")


@pytest.fixture(params=[False, True], ids=["plain", "bound"])
def graphs(request: pytest.FixtureRequest, flow_graphs: Graphs) -> Graphs:
    from engine.runtimes.onnx_graphs import OnnxGraphs

    return OnnxGraphs(
        FOLDER, {"encoder": "encoder.onnx", "decoder": "decoder.onnx"}, "cpu", 1, "encoder", request.param
    )


def test_what_is_held_and_kept_is_what_was_given(graphs: Graphs) -> None:
    sound = np.random.default_rng(0).standard_normal((1, 1, 3840)).astype(np.float32)
    latents = graphs.run("encoder", {"samples": sound})["latents"]
    held = graphs.hold(sound)
    for _ in range(2):
        np.testing.assert_array_equal(graphs.run("encoder", {"samples": held})["latents"], latents)
    kept = graphs.keep("encoder", {"samples": held})["latents"]
    through = graphs.run("decoder", {"latents": kept})["samples"]
    np.testing.assert_array_equal(through, graphs.run("decoder", {"latents": latents})["samples"])
    assert through.shape == sound.shape


def test_arrays_are_joined_and_filled_up_with_zeros(graphs: Graphs) -> None:
    parts = [np.random.default_rng(0).standard_normal((1, 2, n, 4)).astype(np.float32) for n in (3, 5, 1)]
    held = [graphs.hold(part) for part in parts]
    made = _given(graphs.joined(held, 2, 6))
    assert made.shape == (3, 2, 6, 4)
    for row, part in zip(made, parts, strict=True):
        np.testing.assert_array_equal(row[:, : part.shape[2]], part[0])
        assert not row[:, part.shape[2] :].any()
    for alike in (held[:1], [held[0]] * 3):
        for told in ((), (2, 3)):
            np.testing.assert_array_equal(_given(graphs.joined(alike, *told)), np.concatenate([parts[0]] * len(alike)))
    assert graphs.size_bytes(held[1]) == parts[1].nbytes
    with pytest.raises(EngineFault, match="joined"):
        graphs.joined(held, 2, 4)


def _given(held: Any) -> NDArray[np.float32]:
    return np.asarray(held if isinstance(held, np.ndarray) else held.numpy())
