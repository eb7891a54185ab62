from __future__ import annotations

from pathlib import Path

import onnxruntime as ort
import pytest

from engine.programs.flow_field import MOST_ROWS
from engine.spec import PlanLimits
from export.errors import MissingDependency
from export.models.sam_audio.errors import PlanRefused
from export.sam_audio.bundle import export_bundle
from export.sam_audio.order import Order
from export.sam_audio.tensorrt import PROVIDER, build_plan, plan_limits, provider_options
from tests.export.sam_audio.conftest import FROZEN


@pytest.mark.skipif(PROVIDER in ort.get_available_providers(), reason="this ONNX Runtime has TensorRT")
def test_without_tensorrt_it_is_said_before_anything_else_is_done(folders: Path, tmp_path: Path) -> None:
    order = Order(folders / "sam-audio-tiny", tmp_path / "out", windows_s=(5.0,))
    with pytest.raises(MissingDependency, match="TensorRT"):
        export_bundle(order, lambda _: None)
    assert not list(tmp_path.iterdir())


def test_a_profile_covers_every_input() -> None:
    told = provider_options(FROZEN / "velocity.onnx", 125, 8, "float16")
    inputs = {item.name for item in ort.InferenceSession(str(FROZEN / "velocity.onnx")).get_inputs()}
    for which in ("min", "opt", "max"):
        shapes = dict(part.split(":") for part in told[f"trt_profile_{which}_shapes"].split(","))
        assert set(shapes) == inputs
    assert shapes["noisy"] == "8x125x12"
    assert shapes["keys"] == "8x3x3x64x16"
    assert plan_limits(8) == PlanLimits(most_rows=8, most_tokens=64)  # what the spec says of it
    assert (told["trt_fp16_enable"], told["trt_bf16_enable"]) == ("1", "0")


def test_the_usual_plan_takes_every_batch_of_the_engine() -> None:
    assert Order(FROZEN, FROZEN).max_batch >= MOST_ROWS


@pytest.mark.skipif(PROVIDER in ort.get_available_providers(), reason="this ONNX Runtime has TensorRT")
def test_a_plan_that_cannot_be_built_is_said_in_a_word_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("export.sam_audio.tensorrt.require_tensorrt", lambda: None)
    with pytest.raises(
        PlanRefused, match=r"--tensorrt: no plan of velocity\.onnx for 125 frames: .*TensorrtExec"
    ) as told:
        build_plan(FROZEN, "velocity.onnx", 125, 8, "float32")
    assert told.value.__cause__ is not None
