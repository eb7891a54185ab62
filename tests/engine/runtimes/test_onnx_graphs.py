"""`engine.runtimes.onnx_graphs`: many graphs by name, opened when needed, fed with arrays or with what is held."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from engine.bundle import Bundle
from engine.errors import BadInput, BundleError, EngineFault
from engine.offline import separate
from engine.prompt import Target
from engine.runtimes.graphs import Graphs
from tests.engine.flow import FOLDER, bundle_in
from tests.engine.streams import noise

pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")

from engine.runtimes.onnx_graphs import OnnxGraphs

FILES = {"text": "text.onnx", "encoder": "encoder.onnx", "lost": "lost.onnx"}


@pytest.fixture
def graphs(flow_graphs: Graphs) -> OnnxGraphs:
    return OnnxGraphs(FOLDER, FILES, "cpu", 1, "text")


def test_what_it_runs_on(graphs: OnnxGraphs) -> None:
    assert (graphs.provider, graphs.note) == ("CPUExecutionProvider", None)
    assert graphs.has("encoder")
    assert not graphs.has("decoder")


def test_what_is_missing_or_broken_is_named(graphs: OnnxGraphs, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"graphs\.decoder: is missing"):
        graphs.run("decoder", {})
    with pytest.raises(BundleError, match=r"graphs\.lost: ONNX Runtime cannot open"):
        graphs.run("lost", {})
    with pytest.raises(BundleError, match="has no input 'prompt'"):
        graphs.require("text", ("tokens", "prompt"), ("text",))
    with pytest.raises(BundleError, match="has no output 'mood'"):
        graphs.require("text", ("tokens",), ("mood",))
    with pytest.raises(BundleError, match="has no fixed width"):
        graphs.width("text", "tokens")
    with pytest.raises(BadInput, match="provider"):
        OnnxGraphs(FOLDER, FILES, "abacus", 1, "text")
    shutil.copy(FOLDER / "CARD.md", tmp_path / "text.onnx")
    with pytest.raises(BundleError, match="cannot open"):
        OnnxGraphs(tmp_path, FILES, "cpu", 1, "text")


def test_a_bfloat16_graph_on_a_cpu_says_that_it_needs_a_gpu(flow_graphs: Graphs, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="the package onnx writes the graph (extra export)")
    kind = onnx.TensorProto.BFLOAT16
    sizes = {"a": [2, 2], "b": [2, 2], "c": [2, 2]}
    a, b, c = (onnx.helper.make_tensor_value_info(name, kind, shape) for name, shape in sizes.items())
    graph = onnx.helper.make_graph([onnx.helper.make_node("MatMul", ["a", "b"], ["c"])], "g", [a, b], [c])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=8)
    onnx.save(model, str(tmp_path / "velocity.onnx"))
    with pytest.raises(BundleError, match=r"graphs\.velocity: .*a bfloat16 bundle needs a GPU"):
        OnnxGraphs(tmp_path, {"velocity": "velocity.onnx"}, "cpu", 1, "velocity")


def test_a_call_that_fails_is_a_fault(graphs: OnnxGraphs) -> None:
    with pytest.raises(EngineFault, match="the graph encoder failed"):
        graphs.run("encoder", {"samples": np.zeros((1, 2, 1920), np.float32)})


def test_binding_changes_nothing(flow_graphs: Graphs) -> None:
    def bundle(bound: bool) -> Bundle:
        files = {name: f"{name}.onnx" for name in ("encoder", "decoder", "text", "condition", "velocity", "watermark")}
        return bundle_in(OnnxGraphs(FOLDER, files, "cpu", 1, "velocity", bound))

    sound = noise(25_000, 2)
    plain, bound = (
        separate(bundle(bound), sound, 48_000, (Target("a", "dog"), Target("b", "man speaking"))).targets
        for bound in (False, True)
    )
    for name in plain:
        np.testing.assert_allclose(bound[name], plain[name], atol=1e-6)


def test_a_plan_is_not_for_a_cpu(graphs: OnnxGraphs) -> None:
    assert not graphs.runs("text")
    assert not graphs.runs("velocity@125")
