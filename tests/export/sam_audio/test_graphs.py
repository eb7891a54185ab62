from __future__ import annotations

import onnx
import pytest
import torch

from engine.spec import load_spec
from export.sam_audio.graphs import Graph, Sizes, dimensions
from export.sam_audio.parity import cases_of
from tests.export.sam_audio.conftest import FROZEN


def test_every_name_and_free_axis_is_in_the_file(made: dict[str, Graph]) -> None:
    for name, graph in made.items():
        file = onnx.load(FROZEN / graph.file).graph
        axes = {
            value.name: {at: dim.dim_param for at, dim in enumerate(value.type.tensor_type.shape.dim) if dim.dim_param}
            for value in file.input
        }
        assert axes == graph.axes, name
        assert tuple(value.name for value in file.output) == graph.outputs
        boundary = {value.type.tensor_type.elem_type for value in (*file.input, *file.output)}
        assert boundary <= {onnx.TensorProto.FLOAT, onnx.TensorProto.INT64, onnx.TensorProto.BOOL}


def test_no_weight_norm_is_left(made: dict[str, Graph]) -> None:
    for name in ("encoder", "decoder"):
        operators = {node.op_type for node in onnx.load(FROZEN / f"{name}.onnx").graph.node}
        assert not operators & {"ReduceL2", "ReduceSumSquare", "Sqrt"}


@pytest.mark.parametrize("name", ["velocity", "encoder"])
def test_an_example_has_the_sizes_asked_for(name: str, made: dict[str, Graph]) -> None:
    example = made[name].example(Sizes(2, 5, 4, 3), torch.Generator().manual_seed(0))
    assert list(example) == list(made[name].axes)
    for input_name, axes in made[name].axes.items():
        for at, label in axes.items():
            wanted = {"B": 2, "T": 5, "S": 4, "A": 3, "1920*T": 5 * 1920}[label]
            assert example[input_name].shape[at] == wanted


def test_velocity_is_checked_with_the_longest_window_too(made: dict[str, Graph]) -> None:
    flow = load_spec(FROZEN).flow
    assert flow is not None
    longest = max(flow.audio(mode).window for mode in flow.modes) // flow.frame
    (sizes,) = made["velocity"].in_life
    assert sizes.frames == longest == 300
    assert [case.feeds["noisy"].shape[1] for case in cases_of(made["velocity"])] == [7, 12, 1, 33, 300]


def test_one_letter_is_one_dimension() -> None:
    found = dimensions({"a": {0: "B", 1: "T"}, "b": {0: "B", 2: "10*T"}})
    assert found["a"][0] is found["b"][0]
    assert found["b"][2].__name__ == "10*T"
