"""`engine.runtimes.graphs`: what every runtime of many graphs promises (the one there is: `onnx_graphs`)."""

from __future__ import annotations

import numpy as np
import pytest

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
