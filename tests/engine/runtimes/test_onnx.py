"""`engine.runtimes.onnx` on a graph that counts its calls: states by slot, buckets, providers, broken files."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.errors import BadInput, BundleError, EngineFault
from engine.runtimes import onnx as subject
from engine.runtimes.base import BUCKETS, bucket_for
from engine.spec import AudioSpec, ModelSpec, StateSpec, write_spec

onnx = pytest.importorskip("onnx", reason="the counting graph is made with onnx, which is not installed")
BINS = 4
STATE = StateSpec(name="state", output="state_out", shape=(2, 3), batch_axis=1)


def counting_graph() -> Any:
    """mask = state (of its first element), active = 0.5, state_out = state + 1."""
    from onnx import TensorProto, helper

    spectrum = helper.make_tensor_value_info("spectrum", TensorProto.FLOAT, ["b", "t", BINS, 2])
    inputs = [
        spectrum,
        helper.make_tensor_value_info("query", TensorProto.FLOAT, ["b", 2]),
        helper.make_tensor_value_info("hint", TensorProto.FLOAT, ["b", 2]),
        helper.make_tensor_value_info("state", TensorProto.FLOAT, [2, "b", 3]),
    ]
    outputs = [
        helper.make_tensor_value_info("mask", TensorProto.FLOAT, ["b", "t", BINS, 2]),
        helper.make_tensor_value_info("active", TensorProto.FLOAT, ["b", "t"]),
        helper.make_tensor_value_info("state_out", TensorProto.FLOAT, [2, "b", 3]),
    ]
    constants = [
        helper.make_tensor("one", TensorProto.FLOAT, [], [1.0]),
        helper.make_tensor("zero", TensorProto.FLOAT, [], [0.0]),
        helper.make_tensor("half", TensorProto.FLOAT, [], [0.5]),
        helper.make_tensor("first", TensorProto.INT64, [], [0]),
        helper.make_tensor("last_axes", TensorProto.INT64, [2], [1, 2]),
    ]
    nodes = [
        helper.make_node("Add", ["state", "one"], ["state_out"]),
        helper.make_node("Gather", ["state", "first"], ["layer"], axis=0),
        helper.make_node("Gather", ["layer", "first"], ["count"], axis=1),
        helper.make_node("Unsqueeze", ["count", "last_axes"], ["count3"]),
        helper.make_node("Unsqueeze", ["count3", "last_axis"], ["count4"]),
        helper.make_node("Mul", ["spectrum", "zero"], ["blank"]),
        helper.make_node("Add", ["blank", "count4"], ["mask"]),
        helper.make_node("ReduceMean", ["blank"], ["flat"], axes=[2, 3], keepdims=0),
        helper.make_node("Add", ["flat", "half"], ["active"]),
    ]
    constants.append(helper.make_tensor("last_axis", TensorProto.INT64, [1], [3]))
    graph = helper.make_graph(nodes, "counting", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    return model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    from export.state_graphs import write_state_graphs

    onnx.save(counting_graph(), tmp_path / "separator.onnx")
    files = {"separator": "separator.onnx", **write_state_graphs(tmp_path, STATE)}
    spec = ModelSpec(
        name="counting", version="1", description="", licence="Apache-2.0", program="mask", runtime="onnx",
        audio=AudioSpec(sample_rate=48_000, window=6, hop=3, crossfade=3), bins=BINS, query_size=2,
        states=(STATE,), graphs=files,
    )  # fmt: skip
    write_spec(tmp_path, spec, tuple(files.values()))
    return tmp_path


def runtime(folder: Path, on_device: bool = False) -> subject.OnnxRuntime:
    from engine.spec import load_spec

    return subject.OnnxRuntime(folder, load_spec(folder), "cpu", bank_on_device=on_device)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"bins": BINS - 1}, "input 'spectrum' is [None, None, 4, 2], by the spec [None, None, 3, 2]"),
        ({"query_size": 3}, "input 'query'"),
        ({"states": (STATE.model_copy(update={"shape": (2, 4)}),)}, "input 'state'"),
        ({"states": (STATE.model_copy(update={"batch_axis": 0}),)}, "input 'state'"),
        ({"states": ()}, "has an input 'state'"),
    ],
)
def test_a_graph_of_other_sizes_than_the_spec_is_refused(folder: Path, change: dict[str, Any], told: str) -> None:
    from engine.spec import load_spec

    with pytest.raises(BundleError) as caught:
        subject.OnnxRuntime(folder, load_spec(folder).model_copy(update=change), "cpu")
    assert caught.value.field == "graphs.separator"
    assert told in caught.value.reason


def call(opened: subject.OnnxRuntime, slots: list[int]) -> list[float]:
    count = len(slots)
    mask, active = opened.separate(
        np.array(slots),
        np.ones((count, 1, BINS, 2), np.float32),
        np.zeros((count, 2), np.float32),
        np.zeros((count, 2), np.float32),
    )
    assert mask.shape == (count, 1, BINS, 2)
    assert active.shape == (count, 1)
    found: list[float] = mask[:, 0, 0, 0].tolist()
    return found


@pytest.mark.parametrize("on_device", [False, True], ids=["host bank", "device bank"])
def test_every_slot_has_its_own_state(folder: Path, on_device: bool) -> None:
    opened = runtime(folder, on_device)
    assert call(opened, [0, 5]) == [0, 0]
    assert call(opened, [5, 7, 200]) == [1, 0, 0]
    assert call(opened, [200, 0, 5, 7, 1]) == [1, 1, 2, 1, 0]
    kept = opened.snapshot(5)
    assert call(opened, [5]) == [3]
    opened.reset([7, 200])
    opened.restore(5, kept)
    assert call(opened, [5, 7, 200]) == [3, 0, 0]


@pytest.mark.parametrize("on_device", [False, True], ids=["host bank", "device bank"])
def test_warming_leaves_no_trace(folder: Path, on_device: bool) -> None:
    opened = runtime(folder, on_device)
    call(opened, [0])
    opened.warm((1, 2, 4), (1, 3))
    assert call(opened, [0, 1, 2]) == [1, 0, 0]


def test_buckets() -> None:
    assert [bucket_for(count) for count in (1, 2, 3, 5, 33, 128, 129, 300)] == [1, 2, 3, 6, 40, 128, 256, 384]
    assert list(BUCKETS) == sorted(BUCKETS)


def test_unknown_and_absent_providers_are_refused(folder: Path) -> None:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    with pytest.raises(BadInput, match="provider: expected one of auto, tensorrt, cuda, cpu, got 'tpu'"):
        subject.open_session(folder / "separator.onnx", "tpu", options)
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        with pytest.raises(EngineFault, match="not in this build"):
            subject.open_session(folder / "separator.onnx", "cuda", options)


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_silent_fallback_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import onnxruntime

    offered = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: offered)
    session, note = subject.open_session(folder / "separator.onnx", "auto", onnxruntime.SessionOptions())
    assert session.get_providers() == ["CPUExecutionProvider"]
    assert note is not None
    assert "CUDAExecutionProvider did not load" in note
    with pytest.raises(EngineFault, match="fell back"):
        subject.open_session(folder / "separator.onnx", "cuda", onnxruntime.SessionOptions())


def test_a_length_that_is_new_does_not_stop_a_stream_on_cuda(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked of ONNX Runtime; there is no GPU here."""
    import onnxruntime

    asked: list[tuple[str, dict[str, str]]] = []

    class Accepting:
        """A session that runs on whatever it is asked to."""

        def __init__(self, path: str, options: object, providers: list[tuple[str, dict[str, str]]]) -> None:
            asked.extend(providers)

        def get_providers(self) -> list[str]:
            """See ONNX Runtime."""
            return [asked[-1][0]]

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: list(subject.PROVIDERS.values()))
    monkeypatch.setattr(onnxruntime, "InferenceSession", Accepting)
    for provider in ("cuda", "tensorrt", "cpu"):
        subject.open_session(folder / "separator.onnx", provider, onnxruntime.SessionOptions())
    assert asked == [
        ("CUDAExecutionProvider", {"cudnn_conv_algo_search": "HEURISTIC"}),
        ("TensorrtExecutionProvider", {}),
        ("CPUExecutionProvider", {}),
    ]


def test_both_builds_at_once_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "version", lambda name: "1.0")
    with pytest.raises(EngineFault, match="uninstall both"):
        subject.refuse_two_builds()


def test_a_broken_graph_is_named(folder: Path) -> None:
    (folder / "separator.onnx").write_bytes(b"not a graph")
    spec = load_spec_unchecked(folder)
    with pytest.raises(BundleError, match=r"graphs\.separator: ONNX Runtime cannot open"):
        subject.OnnxRuntime(folder, spec, "cpu")


def load_spec_unchecked(folder: Path) -> ModelSpec:
    """The spec without the check of hashes, as if the broken file had been signed."""
    import json

    return ModelSpec.model_validate(json.loads((folder / "spec.json").read_text()))


def test_a_graph_with_other_inputs_is_named(folder: Path) -> None:
    spec = load_spec_unchecked(folder).model_copy(
        update={"graphs": {"separator": "gather.onnx", "gather": "gather.onnx", "scatter": "scatter.onnx"}}
    )
    with pytest.raises(BundleError, match="has no input"):
        subject.OnnxRuntime(folder, spec, "cpu")


def test_a_failing_call_changes_no_state(folder: Path) -> None:
    opened = runtime(folder)
    call(opened, [0])
    with pytest.raises(Exception, match="invalid dimensions"):
        opened.separate(
            np.array([0]), np.ones((1, 1, BINS + 1, 2), np.float32), np.zeros((1, 2), np.float32),
            np.zeros((1, 2), np.float32),
        )  # fmt: skip
    assert call(opened, [0]) == [1]
