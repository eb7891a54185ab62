"""One measurement of `benchmarks/sam_audio.py`, in a process of its own: what it prints last is one JSON object.

    python -m benchmarks.sam_audio_backends '{"backend": "eager", "size": "small", "precision": "float16", …}'

A process for each keeps one backend's memory, caches and crashes away from the next, and can be stopped when the time
is up. Every backend computes the same part: one evaluation of the velocity field, the prompt's keys and values given.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import report

if __name__ == "__main__":
    report.require_torch()

import numpy as np
import onnxruntime as ort
import torch

from benchmarks.sam_audio_sizes import config_of, random_codec, random_field
from export.models.sam_audio.config import SamAudioConfig
from export.sam_audio import graphs
from export.sam_audio.graphs import Sizes
from export.sam_audio.onnx_file import write_graph
from export.sam_audio.parts import ConditionPart, VelocityPart
from export.sam_audio.precision import PRECISIONS, narrow
from export.sam_audio.tensorrt import provider_options

TOKENS, ANCHORS = 8, 2
RUNS, WARM = 20, 3

Call = Callable[[], Any]
Feeds = dict[str, torch.Tensor]


def milliseconds(call: Call, device: str) -> float:
    """Median time of a call, the device's work included."""
    for _ in range(WARM):
        call()
    times = []
    for _ in range(RUNS):
        _wait(device)
        begin = time.perf_counter()
        call()
        _wait(device)
        times.append(time.perf_counter() - begin)
    return round(1e3 * float(np.median(times)), 3)


def _wait(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize()


def feeds_of(config: SamAudioConfig, batch: int, frames: int, device: str) -> Feeds:
    """Inputs of the velocity graph; keys, values and modulation at random, of the right shapes."""
    sizes = config.transformer
    memory = (batch, sizes.n_layers, sizes.n_heads, TOKENS, sizes.head_dim)

    def shared(_text: torch.Tensor, _time: torch.Tensor) -> tuple[torch.Tensor, ...]:
        shapes = (memory, memory, (batch, 6, sizes.dim), (batch, sizes.dim))
        return tuple(torch.randn(shape) for shape in shapes)

    graph = graphs.velocity(torch.nn.Identity(), config, shared)
    made = graph.example(Sizes(batch, frames, TOKENS, ANCHORS), torch.Generator().manual_seed(0))
    return {name: value.to(device) for name, value in made.items()}


@torch.no_grad()
def by_torch(asked: dict[str, Any], config: SamAudioConfig) -> dict[str, float]:
    """PyTorch, eager; or each layer compiled and the whole evaluation captured as one CUDA graph."""
    device = asked["device"]
    part = VelocityPart(random_field(config, device))
    narrow(part, PRECISIONS[asked["precision"]])
    if asked["backend"] == "compiled":
        for layer in part.field.transformer.layers:
            layer.compile(dynamic=False)
    found = {}
    for batch, frames in asked["shapes"]:
        feeds = feeds_of(config, batch, frames, device)

        def call(feeds: Feeds = feeds) -> Any:
            return part(*feeds.values())

        captured = asked["backend"] == "compiled" and device != "cpu"
        found[f"{batch}x{frames}"] = milliseconds(_captured(call) if captured else call, device)
    return found


def _captured(call: Call) -> Call:
    cuda: Any = torch.cuda
    stream = cuda.Stream()
    stream.wait_stream(cuda.current_stream())
    with cuda.stream(stream):
        for _ in range(WARM):
            call()
    cuda.current_stream().wait_stream(stream)
    graph = cuda.CUDAGraph()
    with cuda.graph(graph):
        call()
    replay: Call = graph.replay
    return replay


def export(asked: dict[str, Any], config: SamAudioConfig) -> dict[str, float]:
    """Write the velocity graph into `folder`; seconds it took."""
    begin = time.perf_counter()
    field = random_field(config)
    graph = graphs.velocity(VelocityPart(field), config, ConditionPart(field))
    cold = graph.example
    # the example's keys and values come from `condition`, in float32: made before the weights are narrowed
    example = cold(Sizes(2, 7, 5, 3), torch.Generator().manual_seed(0))
    narrow(graph.part, PRECISIONS[asked["precision"]])
    folder = Path(asked["folder"])
    folder.mkdir(parents=True, exist_ok=True)
    write_graph(graphs.velocity(graph.part, config, _given(example)), folder)
    (folder / "ready").touch()
    return {"export_s": round(time.perf_counter() - begin, 1)}


def _given(example: Feeds) -> Callable[..., tuple[torch.Tensor, ...]]:
    return lambda _text, _time: tuple(example[name] for name in ("keys", "values", "modulation", "final"))


def by_graph(asked: dict[str, Any], config: SamAudioConfig) -> dict[str, float]:
    """ONNX Runtime on the CPU, CUDA or TensorRT; on a GPU inputs and output stay there."""
    path = Path(asked["folder"]) / "velocity.onnx"
    provider = {"ort-cpu": "CPU", "ort-cuda": "CUDA", "ort-tensorrt": "Tensorrt"}[
        asked["backend"]
    ] + "ExecutionProvider"
    options: dict[str, str] = {}
    if asked["backend"] == "ort-tensorrt":
        frames, most = asked["shapes"][0][1], max(batch for batch, _ in asked["shapes"])
        options = provider_options(path, frames, most, asked["precision"])
    settings = ort.SessionOptions()
    settings.log_severity_level = 3
    if asked["device"] == "cpu":
        settings.intra_op_num_threads = 1  # as PyTorch here
    begin = time.perf_counter()
    session = ort.InferenceSession(str(path), settings, providers=[(provider, options)])
    if session.get_providers()[0] != provider:
        raise RuntimeError(f"{provider} did not load; ONNX Runtime runs on {session.get_providers()[0]}")
    found = {}
    for batch, frames in asked["shapes"]:
        if asked["backend"] == "ort-tensorrt" and frames != asked["shapes"][0][1]:
            continue  # the plan is for one length
        binding = _bound(session, feeds_of(config, batch, frames, asked["device"]), asked["device"])
        found[f"{batch}x{frames}"] = milliseconds(lambda b=binding: session.run_with_iobinding(b), asked["device"])  # type: ignore[misc]
    return {**found, "with_start_s": round(time.perf_counter() - begin, 1)}


def _bound(session: ort.InferenceSession, feeds: Feeds, device: str) -> Any:
    binding = session.io_binding()
    for name, value in feeds.items():
        kept = value.contiguous()
        feeds[name] = kept
        kind = {torch.float32: np.float32, torch.int64: np.int64, torch.bool: np.bool_}[kept.dtype]
        binding.bind_input(name, device, 0, kind, tuple(kept.shape), kept.data_ptr())
    binding.bind_output("velocity", device)
    binding.kept_alive = feeds
    return binding


@torch.no_grad()
def codec(asked: dict[str, Any], config: SamAudioConfig) -> dict[str, float]:
    """Encoding and decoding so many frames, PyTorch eager, float32 (TF32 allowed), by batch."""
    device, hop = asked["device"], config.audio_codec.hop
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    model = random_codec(config, device)
    found = {}
    for batch in asked["batches"]:
        sound = 0.1 * torch.randn(batch, 1, hop * asked["encoded"], device=device)
        latents = torch.randn(batch, config.audio_codec.codebook_dim, asked["decoded"], device=device)
        both = (lambda s=sound: model.encode(s), lambda z=latents: model.decode(z))
        found[str(batch)] = round(sum(milliseconds(call, device) for call in both), 3)
    return found


def peaks(asked: dict[str, Any], _config: SamAudioConfig) -> dict[str, float]:
    """What this device does at best: a large product in 16 bits (FLOP/s), and copying memory (bytes/s)."""
    device = asked["device"]
    side, kind = (8192, torch.float16) if device != "cpu" else (1024, torch.float32)
    a = torch.randn(side, side, device=device, dtype=kind)
    flops = 2 * side**3 / (1e-3 * milliseconds(lambda: a @ a, device))
    block = torch.empty(1 << (30 if device != "cpu" else 26), dtype=torch.uint8, device=device)
    other = torch.empty_like(block)
    moved = 2 * block.numel() / (1e-3 * milliseconds(lambda: other.copy_(block), device))
    return {"flops_per_s": flops, "bytes_per_s": moved}


BACKENDS: dict[str, Callable[[dict[str, Any], SamAudioConfig], dict[str, float]]] = {
    "eager": by_torch,
    "compiled": by_torch,
    "export": export,
    "codec": codec,
    "peaks": peaks,
    "ort-cpu": by_graph,
    "ort-cuda": by_graph,
    "ort-tensorrt": by_graph,
}


def main() -> None:
    """Measure what the first argument asks for."""
    asked = json.loads(sys.argv[1])
    if asked["device"] == "cpu":
        torch.set_num_threads(1)
    print(json.dumps(BACKENDS[asked["backend"]](asked, config_of(asked["size"]))), flush=True)


if __name__ == "__main__":
    main()
