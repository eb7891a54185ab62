"""Does a window at a released size come out of the exported graphs as out of the torch model? (Minutes on a CPU.)

    python -m benchmarks.sam_audio_window --size small    # about 8 GB of memory

Regime: random weights are exported (encoder, condition, velocity, decoder), and one window of the live mode goes
through the graphs in ONNX Runtime and through torch: sound → latents → solver → latents → sound. Differences are
printed as share of the peak; above 5e-5 (what part 1's full-size check allows) the exit status is 1.

Floor, printed first: an evaluation's FLOP and the bytes of its weights.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import report

if __name__ == "__main__":
    report.require_torch()

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.sam_audio_sizes import config_of, floor_of, random_codec, random_field
from export.models.sam_audio.codec import Codec
from export.models.sam_audio.config import SamAudioConfig
from export.models.sam_audio.noise import frame_noise
from export.models.sam_audio.solver import Solver
from export.models.sam_audio.spans import Anchors
from export.models.sam_audio.velocity import VelocityField
from export.sam_audio import graphs
from export.sam_audio.onnx_file import write_graph
from export.sam_audio.parity import open_graph
from export.sam_audio.parts import ConditionPart, DecoderPart, EncoderPart, VelocityPart

NAME = "sam_audio_window"
ALLOWED = 5e-5
TOKENS = 8

Floats = NDArray[np.float32]


def options() -> argparse.ArgumentParser:
    """What can be asked for."""
    parser = report.options(__doc__)
    parser.add_argument("--size", default="small", choices=("tiny", "small", "base", "large"))
    parser.add_argument("--frames", type=int, default=125, help="length of the window in latent frames of 40 ms")
    parser.add_argument("--steps", type=int, default=2, help="midpoint steps; each is two evaluations")
    parser.add_argument("--threads", type=int, default=1)
    return parser


def inputs(config: SamAudioConfig, frames: int) -> dict[str, torch.Tensor]:
    """A window of noise with a tone, one prompt's features, a picture's features, and a span in its second half."""
    generator = torch.Generator().manual_seed(1)
    hop, vision = config.audio_codec.hop, config.vision_encoder.dim
    time_s = torch.arange(frames * hop) / config.audio_codec.sample_rate
    sound = 0.2 * torch.sin(2 * torch.pi * 440 * time_s) + 0.05 * torch.randn(len(time_s), generator=generator)
    alignment = torch.zeros(1, frames, dtype=torch.int64)
    alignment[:, frames // 2 :] = 2
    return {
        "samples": sound[None, None],
        "noisy": frame_noise(1, 0, frames, config.channels)[None],
        "text": 0.3 * torch.randn((1, TOKENS, config.text_encoder.dim), generator=generator),
        "video": torch.randn((1, vision, frames), generator=generator) / vision**0.5,
        "anchor_ids": torch.tensor([[0, 3, 1]]),
        "anchor_alignment": alignment,
        "frame_mask": torch.ones(1, frames, dtype=torch.bool),
        "text_mask": torch.ones(1, TOKENS, dtype=torch.bool),
    }


@torch.no_grad()
def by_torch(codec: Codec, field: VelocityField, given: dict[str, torch.Tensor], solver: Solver) -> dict[str, Floats]:
    """`mix`, `latents`, `target` as part 1's model makes them, and seconds an evaluation takes."""
    mix = codec.encode(given["samples"]).transpose(1, 2)
    anchors = Anchors(given["anchor_ids"], given["anchor_alignment"])
    context = field.context(torch.cat([mix, mix], -1), given["video"], anchors)
    times: list[float] = []

    def velocity(t: float, noisy: torch.Tensor) -> torch.Tensor:
        begin = time.perf_counter()
        at = torch.full((1,), t)
        memory = field.memory(at, given["text"], given["text_mask"])
        made: torch.Tensor = field(noisy, at, context, memory, given["frame_mask"])
        times.append(time.perf_counter() - begin)
        return made

    both = solver.solve(velocity, given["noisy"])
    target = codec.decode(both[..., : mix.shape[-1]].transpose(1, 2))
    return {
        "mix": mix.numpy(),
        "latents": both.numpy(),
        "target": target.numpy(),
        "seconds": np.array(times, np.float32),
    }


def export(codec: Codec, field: VelocityField, config: SamAudioConfig, folder: Path) -> dict[str, float]:
    """Write the four graphs; seconds each took."""
    shared = ConditionPart(field)
    wanted = (
        graphs.encoder(EncoderPart(codec), config),
        graphs.decoder(DecoderPart(codec), config),
        graphs.condition(shared, config),
        graphs.velocity(VelocityPart(field), config, shared),
    )
    took = {}
    for graph in wanted:
        begin = time.perf_counter()
        write_graph(graph, folder)
        took[graph.name] = round(time.perf_counter() - begin, 1)
        print(f"  exported {graph.file} in {took[graph.name]} s", flush=True)
    return took


def by_graphs(folder: Path, given: dict[str, torch.Tensor], solver: Solver) -> dict[str, Floats]:
    """The same through the graphs."""
    feeds: dict[str, Any] = {name: value.numpy() for name, value in given.items()}
    run = {name: open_graph(folder / f"{name}.onnx") for name in ("encoder", "condition", "velocity", "decoder")}
    (mix,) = run["encoder"].run(["latents"], {"samples": feeds["samples"]})
    times: list[float] = []
    shared = ("keys", "values", "modulation", "final")
    fixed = {
        name: feeds[name] for name in ("video", "anchor_ids", "anchor_alignment", "frame_mask", "text_mask")
    }  # fmt: skip

    def velocity(t: float, noisy: torch.Tensor) -> torch.Tensor:
        memory = run["condition"].run(list(shared), {"text": feeds["text"], "time": np.full(1, t, np.float32)})
        begin = time.perf_counter()
        asked = {"noisy": noisy.numpy(), "mix": mix, **fixed, **dict(zip(shared, memory, strict=True))}
        made = torch.from_numpy(run["velocity"].run(["velocity"], asked)[0])
        times.append(time.perf_counter() - begin)
        return made

    both = solver.solve(velocity, given["noisy"]).numpy()
    (target,) = run["decoder"].run(["samples"], {"latents": np.ascontiguousarray(both[..., : mix.shape[-1]])})
    return {"mix": mix, "latents": both, "target": target, "seconds": np.array(times, np.float32)}


def main() -> int:
    """Run it; 1 where a difference is larger than allowed."""
    asked = options().parse_args()
    torch.set_num_threads(asked.threads)
    config, solver = config_of(asked.size), Solver("midpoint", asked.steps)
    floor = floor_of(config, 1, asked.frames, TOKENS, 4)
    print(
        f"{asked.size}, {asked.frames} frames, float32: an evaluation is {floor.flops / 1e9:.1f} GFLOP and reads "
        f"{floor.weight_bytes / 1e9:.2f} GB"
    )
    codec, field = random_codec(config), random_field(config)
    given = inputs(config, asked.frames)
    wanted = by_torch(codec, field, given, solver)
    with tempfile.TemporaryDirectory() as folder:
        took = export(codec, field, config, Path(folder))
        del codec, field
        got = by_graphs(Path(folder), given, solver)
    peaks = {name: float(np.abs(wanted[name]).max()) for name in ("mix", "latents", "target")}
    off = {name: float(np.abs(got[name] - wanted[name]).max()) / max(1.0, peak) for name, peak in peaks.items()}
    ok = all(value <= ALLOWED for value in off.values())
    for name, value in off.items():
        print(f"  {name:8s} off by {value:.1e} (peak {peaks[name]:.2f})")
    result = {
        "size": asked.size,
        "frames": asked.frames,
        "evaluations": len(solver.times),
        "floor_gflop": round(floor.flops / 1e9, 1),
        "off": {name: float(f"{value:.2g}") for name, value in off.items()},
        "peaks": {name: round(peak, 3) for name, peak in peaks.items()},
        "ok": ok,
        "s_per_evaluation": {
            "torch": round(float(np.median(wanted["seconds"])), 2),
            "graph": round(float(np.median(got["seconds"])), 2),
        },
        "export_s": took,
    }
    report.finish(NAME, result, asked)
    return 0 if ok else 1


if __name__ == "__main__":
    report.run(main)
