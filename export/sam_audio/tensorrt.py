"""TensorRT plans of the velocity graph, for windows of chosen lengths, on the GPU of the machine that exports.

ONNX Runtime's TensorRT provider builds them and wraps each as a graph of one node (an EPContext, with the plan in a
file beside it) that the same runtime opens as it opens any graph. A plan runs on the kind of GPU and the version of
TensorRT that it was built with, and nowhere else; the plain graph stays in the bundle for all others.
"""

from __future__ import annotations

from pathlib import Path

import onnx
import onnxruntime as ort

from engine.spec import PlanLimits
from export.errors import MissingDependency
from export.models.sam_audio.errors import PlanRefused

PROVIDER = "TensorrtExecutionProvider"
TYPICAL = {"B": 1, "S": 8, "A": 2}
MOST_ANCHORS = 16
"""More than the engine ever feeds: one of each kind."""


def require_tensorrt() -> None:
    """Raises MissingDependency: this ONNX Runtime has no TensorRT, or TensorRT's own libraries are not installed."""
    if PROVIDER not in ort.get_available_providers():
        raise MissingDependency("onnxruntime-gpu", "--tensorrt (no TensorRT in this ONNX Runtime)", "gpu")
    try:
        import tensorrt  # noqa: F401 - its libraries are what the provider loads
    except ImportError as error:
        raise MissingDependency("tensorrt", "--tensorrt", "gpu") from error


def plan_limits(max_batch: int) -> PlanLimits:
    """What plans are built for, as the bundle's spec says it to the engine."""
    return PlanLimits(most_rows=max_batch)


def build_plan(folder: Path, file: str, frames: int, max_batch: int, precision: str) -> tuple[str, ...]:
    """Build the plan of the graph `file` for windows of `frames`; names of the files it lies in, the graph's first.

    Raises:
        MissingDependency: see `require_tensorrt`.
        PlanRefused: TensorRT refused the graph (ONNX Runtime's own words).
    """
    require_tensorrt()
    before = {path.name for path in folder.iterdir()}
    name = f"{Path(file).stem}.{frames}.plan.onnx"
    options = ort.SessionOptions()
    told = provider_options(folder / file, frames, max_batch, precision)
    try:
        options.add_provider(PROVIDER, told)
        ort.ModelCompiler(options, str(folder / file)).compile_to_file(str(folder / name))
    except Exception as error:  # ONNX Runtime raises a class of its own for each way it can fail
        raise PlanRefused(f"--tensorrt: no plan of {file} for {frames} frames: {str(error).strip()}") from error
    made = sorted({path.name for path in folder.iterdir()} - before - {name})
    return (name, *made)


def provider_options(path: Path, frames: int, max_batch: int, precision: str) -> dict[str, str]:
    """What the provider is told: the precision, and each input's smallest, usual and largest shape."""
    limits = plan_limits(max_batch)
    shapes = _shapes(path)
    sizes = {
        "min": {"B": 1, "S": 1, "A": 1, "T": frames},
        "opt": {**TYPICAL, "T": frames},
        "max": {"B": limits.most_rows, "S": limits.most_tokens, "A": MOST_ANCHORS, "T": frames},
    }
    told = {
        f"trt_profile_{which}_shapes": ",".join(
            f"{name}:{'x'.join(str(one[axis] if isinstance(axis, str) else axis) for axis in shape)}"
            for name, shape in shapes.items()
        )
        for which, one in sizes.items()
    }
    return {
        **told,
        "trt_fp16_enable": str(int(precision == "float16")),
        "trt_bf16_enable": str(int(precision == "bfloat16")),
        "trt_layer_norm_fp32_fallback": "1",
    }


def _shapes(path: Path) -> dict[str, list[int | str]]:
    """Input → its shape; free axes by their letter."""
    graph = onnx.load(path, load_external_data=False).graph
    return {
        value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in graph.input
    }
