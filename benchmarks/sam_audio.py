"""What does live SAM Audio cost on this GPU, and how many streams does it carry?

Regime: the released sizes with random weights, 16 bits; windows of 125 latent frames (5 s: both live modes), prompts of
8 tokens; one evaluation of the velocity field by PyTorch eager, PyTorch compiled (each layer by inductor, all of it in
one CUDA graph), ONNX Runtime with CUDA and with TensorRT, at batches of 1 to 16. A window is its evaluations (4 in
`low_latency`, 8 in `balanced`) and its codec work: encoding what is new and decoding what comes out, with their
margins, by PyTorch in float32. RTF is a window's time over its hop; streams are the windows that fit into four fifths
of a hop at the best batch.

Floor, printed first: an evaluation's FLOP and the bytes of its weights, at the rates that a large product and a copy
reach on this very device.

Every measurement runs in a process of its own against one clock (`--minutes`, 7.5); what there was no time for, what is
not installed and what failed is named in the result, never estimated. Without a GPU the same runs at a tiny size on the
CPU, in less than a minute of processor time, and says nothing of the released sizes but their floor in FLOP.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import report

if __name__ == "__main__":
    report.require_torch()

import onnxruntime as ort
import torch

from benchmarks.sam_audio_sizes import RELEASED, config_of, floor_of
from export.models.sam_audio.codec import DECODER_CONTEXT, ENCODER_CONTEXT
from export.sam_audio.modes import MODES

NAME = "sam_audio"
TOKENS = 8
LIVE = ("low_latency", "balanced")
FRAME_S = 0.04
SHARE_OF_A_HOP = 0.8
EVALUATIONS = {"midpoint": 2, "euler": 1}


def options() -> argparse.ArgumentParser:
    """What can be asked for."""
    parser = report.options(__doc__)
    parser.add_argument("--cpu", action="store_true", help="the tiny size on the CPU, whether or not there is a GPU")
    parser.add_argument("--sizes", default="small,base,large")
    parser.add_argument("--precisions", default="float16,bfloat16", help="the first is measured first")
    parser.add_argument("--batches", default="1,2,4,8,16")
    parser.add_argument("--frames", type=int, default=125)
    parser.add_argument("--minutes", type=float, default=7.5, help="no measurement begins or goes on after so long")
    return parser


@dataclass(slots=True)
class Run:
    """One go: where, against which clock, and what came of it."""

    device: str
    folder: Path
    ends: float
    done: list[dict[str, Any]] = field(default_factory=list)
    not_done: list[str] = field(default_factory=list)

    def measure(self, asked: dict[str, Any]) -> dict[str, float] | None:
        """One measurement in its own process; None where it did not come to an end, which is then noted."""
        what = " ".join(str(asked[key]) for key in ("size", "precision", "backend") if key in asked)
        left_s = self.ends - time.monotonic()
        if left_s < 1:
            self.not_done.append(f"{what}: no time left")
            return None
        command = [sys.executable, "-m", "benchmarks.sam_audio_backends", json.dumps({**asked, "device": self.device})]
        try:
            ran = subprocess.run(command, capture_output=True, text=True, timeout=left_s, check=False)
        except subprocess.TimeoutExpired:
            self.not_done.append(f"{what}: stopped, no time left")
            return None
        if ran.returncode != 0:
            last = (ran.stderr.strip().splitlines() or ["no word"])[-1]
            self.not_done.append(f"{what}: failed: {last[:200]}")
            return None
        found: dict[str, float] = json.loads(ran.stdout.strip().splitlines()[-1])
        print(f"  {what:34s} {found}", flush=True)
        return found

    def graph_folder(self, size: str, precision: str) -> str:
        """Where the exported graph of a size lies."""
        return str(self.folder / f"{size}-{precision}")


def absent(device: str) -> list[str]:
    """What this machine lacks of what would be measured."""
    providers = ort.get_available_providers()
    missing = [] if device == "cuda" else ["a GPU that torch can use"]
    missing += [f"{n} in ONNX Runtime" for n in ("CUDA", "Tensorrt") if f"{n}ExecutionProvider" not in providers]
    return missing


def backends(device: str) -> list[str]:
    """Those that are installed, in the order of their worth should the time run out."""
    if device == "cpu":
        return ["eager", "ort-cpu"]
    offered = ort.get_available_providers()
    found = ["eager"]
    found += ["ort-cuda"] if "CUDAExecutionProvider" in offered else []
    found += ["compiled"]
    return found + (["ort-tensorrt"] if "TensorrtExecutionProvider" in offered else [])


def floors(sizes: list[str], frames: int, peak: dict[str, float] | None, bytes_per_weight: int) -> dict[str, Any]:
    """An evaluation's floor by size, at batch 1 and 16; in milliseconds where the device's rates are known."""
    found: dict[str, Any] = {}
    for size in sizes:
        for batch in (1, 16):
            floor = floor_of(config_of(size), batch, frames, TOKENS, bytes_per_weight)
            row = {"gflop": round(floor.flops / 1e9, 2), "weights_gb": round(floor.weight_bytes / 1e9, 4)}
            if peak:
                row["ms"] = round(floor.milliseconds(peak["flops_per_s"], peak["bytes_per_s"]), 3)
            found[f"{size} x{batch}"] = row
    return found


def codec_of(run: Run, size: str, batches: list[int]) -> dict[str, dict[str, float]]:
    """By live mode and batch: milliseconds of a window's codec work."""
    found = {}
    for mode in LIVE:
        hop, fade = (round(MODES[mode][key] / FRAME_S) for key in ("hop_s", "crossfade_s"))
        lengths = {"encoded": hop + 2 * ENCODER_CONTEXT, "decoded": hop + fade + 2 * DECODER_CONTEXT}
        found[mode] = run.measure({"backend": "codec", "size": size, "batches": batches, **lengths}) or {}
    return found


def windows_of(row: dict[str, Any], codec: dict[str, dict[str, float]], frames: int) -> dict[str, Any]:
    """By live mode: a window's milliseconds and RTF alone, and the streams that the best batch carries."""
    found = {}
    for mode in LIVE:
        hop_ms = 1e3 * MODES[mode]["hop_s"]
        evaluations = EVALUATIONS[MODES[mode]["solver"]] * MODES[mode]["steps"]
        taken = {
            batch: evaluations * row["ms"][f"{batch}x{frames}"] + codec[mode][str(batch)]
            for batch in (int(key) for key in codec[mode])
            if f"{batch}x{frames}" in row["ms"]
        }
        if 1 in taken:
            carried = {batch: batch * math.floor(SHARE_OF_A_HOP * hop_ms / ms) for batch, ms in taken.items()}
            best = max(carried, key=lambda batch: carried[batch])
            found[mode] = {
                "ms": round(taken[1], 2),
                "rtf": round(taken[1] / hop_ms, 4),
                "streams": carried[best],
                "at_batch": best,
            }
    return found


def measure_all(run: Run, asked: argparse.Namespace, sizes: list[str], precisions: list[str]) -> None:
    """Every backend, precision and size, in the order of their worth. Nothing is timed while a graph is exported: that
    loads the processors that feed the device."""
    batches = [int(batch) for batch in asked.batches.split(",")]
    shapes = [(batch, asked.frames) for batch in batches]
    codec_ms = codec_of(run, sizes[0], batches)  # the codec is the same in all released sizes
    ordered = in_order(backends(run.device), sizes, precisions)
    exported: dict[tuple[str, str], bool] = {}
    for backend, size, precision in ordered:
        # inductor compiles anew for each batch: only the smallest and the largest
        few = [shapes[0], shapes[-1]] if backend == "compiled" else shapes
        wanted = {"backend": backend, "size": size, "precision": precision, "shapes": few}
        if backend.startswith("ort"):
            if (size, precision) not in exported:
                exported |= export_all(run, [pair for pair in graphs_of(ordered) if pair[1] == precision])
            if not exported[size, precision]:
                run.not_done.append(f"{size} {precision} {backend}: no graph")
                continue
            wanted["folder"] = run.graph_folder(size, precision)
        if found := run.measure(wanted):
            row = {"size": size, "precision": precision, "backend": backend, "ms": found}
            run.done.append({**row, "windows": windows_of(row, codec_ms, asked.frames)})


def graphs_of(ordered: list[tuple[str, str, str]]) -> list[tuple[str, str]]:
    """Sizes and precisions of which a graph is needed, in order."""
    return list(dict.fromkeys((size, one) for backend, size, one in ordered if backend.startswith("ort")))


def export_all(run: Run, pairs: list[tuple[str, str]]) -> dict[tuple[str, str], bool]:
    """Export the graphs of these sizes and precisions, side by side where it is a GPU that is measured (its machine has
    processors enough); which of them are there."""

    def exported(pair: tuple[str, str]) -> bool:
        asked = {"backend": "export", "size": pair[0], "precision": pair[1], "folder": run.graph_folder(*pair)}
        return run.measure(asked) is not None

    with ThreadPoolExecutor(max_workers=1 if run.device == "cpu" else 3) as pool:
        return dict(zip(pairs, pool.map(exported, pairs), strict=True))


def in_order(found: list[str], sizes: list[str], precisions: list[str]) -> list[tuple[str, str, str]]:
    """What is measured after what: eager, which is quick, of everything; then one precision after the other."""
    eager = [("eager", size, precision) for precision in precisions for size in sizes]
    rest = [backend for backend in found if backend != "eager"]
    return eager + [(backend, size, one) for one in precisions for backend in rest for size in sizes]


def device_name(device: str) -> str | None:
    """The GPU's own name."""
    return torch.cuda.get_device_name() if device == "cuda" else None


def main() -> None:
    """Run it."""
    asked = options().parse_args()
    device = "cuda" if torch.cuda.is_available() and not asked.cpu else "cpu"
    lacking = absent(device)
    print(f"device: {device_name(device) or 'CPU'}; absent: {', '.join(lacking) or 'nothing'}")
    on_gpu = device == "cuda"
    sizes, precisions = (asked.sizes.split(","), asked.precisions.split(",")) if on_gpu else (["tiny"], ["float32"])
    if not on_gpu:
        print("no GPU: a tiny size on the CPU. These times say nothing of the released sizes; their FLOP are exact.")
        asked.batches = "1,4"
    with tempfile.TemporaryDirectory() as folder:
        run = Run(device, Path(folder), time.monotonic() + 60 * asked.minutes)
        peak = run.measure({"backend": "peaks", "size": "tiny"})
        known = floors([*RELEASED, *({"tiny"} - {*RELEASED} if not on_gpu else ())], asked.frames,
                       peak if on_gpu else None, 2)  # fmt: skip
        for name, row in known.items():
            print(f"  floor {name:12s} {row}")
        measure_all(run, asked, sizes, precisions)
    for row in run.done:
        print(f"{row['size']:6s} {row['precision']:9s} {row['backend']:13s} {row['windows']}")
    for line in run.not_done:
        print(f"not measured: {line}")
    result = {
        "gpu": device_name(device),
        "absent": lacking,
        "measured_peak": peak,
        "floor": known,
        "measured": run.done,
        "not_measured": run.not_done,
    }
    report.finish(NAME, result, asked)


if __name__ == "__main__":
    report.run(main)
