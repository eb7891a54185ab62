"""What does `winnow export sam-audio` take at a released size, and does its bundle separate a file? (Minutes on a CPU.)

    python -m benchmarks.sam_audio_export --size small    # 13 GB of disk meanwhile

Regime: a checkpoint and a T5 of the released shapes are filled with random weights, exported by the command a user
types, opened by `engine.bundle.load_bundle`, and the bundle separates a few seconds of noise with a tone by `winnow
separate`. Each of the three is a process of its own, whose wall time, processor time and peak memory are taken from the
kernel; the peak counts pages of files that are mapped, the checkpoint's among them. Nothing is said of quality: the
weights are random.

Floor, printed first: bytes of the weights that an evaluation reads (as float32), and the FLOP of the separation's
evaluations, were all windows whole. The exit status is 1 where a command failed, the sound is not as long as what went
in, or it is not finite.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import report

if __name__ == "__main__":
    report.require_torch()

import numpy as np
from scipy.io import wavfile

from benchmarks.sam_audio_checkpoint import write_checkpoint, write_t5
from benchmarks.sam_audio_sizes import config_of, floor_of
from engine.programs.flow_solver import EVALUATIONS
from export.sam_audio.modes import MODES

NAME = "sam_audio_export"
RATE = 48_000
FRAME_S = 0.04
TOKENS = 8
PROMPT = "man speaking"

_LOAD = "import sys; from engine.bundle import load_bundle; print(load_bundle(sys.argv[1]).provider)"


def options() -> argparse.ArgumentParser:
    """What can be asked for."""
    parser = report.options(__doc__)
    parser.add_argument("--size", default="small", choices=("tiny", "small", "base", "large"))
    parser.add_argument("--precision", default="float32", choices=("float32", "float16", "bfloat16"))
    parser.add_argument("--codec-precision", default="float32", choices=("float32", "float16"))
    parser.add_argument("--no-vision", dest="vision", action="store_false", help="without the picture tower")
    parser.add_argument("--mode", default="low_latency", choices=tuple(MODES), help="of the separation")
    parser.add_argument("--seconds", type=float, default=6.0, help="length of the file that is separated")
    parser.add_argument("--threads", type=int, default=1, help="of the export")
    parser.add_argument(
        "--folder", type=Path, help="where to work, and to leave everything (default: a temporary folder)"
    )
    return parser


class Failed(Exception):
    """A command that did not end well; says which, and its last words."""


def timed(what: str, command: list[str]) -> tuple[dict[str, float], str]:
    """Seconds and peak memory of a command, and what it printed.

    Raises:
        Failed: its exit status is not 0.
    """
    print(f"$ {' '.join(command)}" if len(command) < 12 else f"$ {what}", flush=True)
    with tempfile.TemporaryFile("w+", encoding="utf-8") as printed:
        begin = time.perf_counter()
        process = subprocess.Popen(command, stdout=printed)
        _, status, used = os.wait4(process.pid, 0)
        took = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        printed.seek(0)
        text = printed.read()
    if process.returncode != 0:
        raise Failed(f"{what}: exit status {process.returncode}: {text[-300:]}")
    cost = {
        "s": round(took, 1),
        "processor_s": round(used.ru_utime + used.ru_stime, 1),
        "peak_memory_gb": round(used.ru_maxrss * 1024 / 1e9, 2),
    }
    print(f"  {what}: {cost}", flush=True)
    return cost, text


def size_gb(folder: Path) -> float:
    """Of all files in it."""
    return round(sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e9, 3)


def write_sound(path: Path, seconds: float) -> int:
    """Noise with a tone as a mono 32-bit wav; how many samples."""
    count = round(seconds * RATE)
    tone = 0.2 * np.sin(2 * np.pi * 440 * np.arange(count) / RATE)
    sound = tone + 0.05 * np.random.default_rng(0).standard_normal(count)
    wavfile.write(path, RATE, sound.astype(np.float32))
    return count


def floor(asked: argparse.Namespace) -> dict[str, float]:
    """Evaluations of the separation, and their FLOP where every window is whole."""
    mode = MODES[asked.mode]
    frames_in = math.ceil(asked.seconds / FRAME_S - 1e-6)
    windows = -(-frames_in // round(mode["hop_s"] / FRAME_S))
    lengths = (mode["context_s"], mode["hop_s"], mode["crossfade_s"], mode["lookahead_s"])
    frames = min(round(sum(lengths) / FRAME_S), frames_in)
    evaluations = windows * mode["steps"] * EVALUATIONS[mode["solver"]]
    one = floor_of(config_of(asked.size), 1, frames, TOKENS, 4)
    return {
        "windows": windows,
        "evaluations": evaluations,
        "most_tflop": round(evaluations * one.flops / 1e12, 3),
        "evaluation_weights_gb": round(one.weight_bytes / 1e9, 3),
    }


def separated(folder: Path, samples: int) -> dict[str, float]:
    """Level and length of what `winnow separate` wrote.

    Raises:
        Failed: no such file, another length, or samples that are not finite.
    """
    found = {}
    for path in sorted(folder.glob("*.wav")):
        rate, sound = wavfile.read(path)
        if rate != RATE or len(sound) != samples or not np.isfinite(sound).all():
            raise Failed(f"{path.name}: {len(sound)} samples at {rate} Hz, or some not finite; {samples} were given")
        found[path.name.split(".")[-2]] = round(float(np.sqrt(np.mean(np.square(sound, dtype=np.float64)))), 4)
    if len(found) < 2:
        raise Failed(f"winnow separate wrote {sorted(found)}")
    return found


def prepare(checkpoint: Path, asked: argparse.Namespace) -> dict[str, float]:
    """The checkpoint, and T5 beside it, where the export looks for it; those of a run before are used again."""
    begin = time.perf_counter()
    t5 = checkpoint.with_name("t5-base")
    if not (t5 / "tokenizer_config.json").is_file():  # written last
        shutil.rmtree(checkpoint, ignore_errors=True)
        write_checkpoint(checkpoint, asked.size, asked.vision)
        write_t5(t5, asked.size)
    return {"s": round(time.perf_counter() - begin, 1), "gb": size_gb(checkpoint), "t5_gb": size_gb(t5)}


def measure(asked: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Make, export, open, separate.

    Raises:
        Failed: see `timed` and `separated`.
    """
    checkpoint, bundle = folder / f"sam-audio-{asked.size}", folder / f"bundle-{asked.precision}"
    made = prepare(checkpoint, asked)
    print(f"  checkpoint: {made}", flush=True)
    winnow = str(Path(sys.executable).with_name("winnow"))
    export, said = timed(
        "winnow export",
        [winnow, "export", "sam-audio", str(checkpoint), str(bundle), "--precision", asked.precision,
         "--codec-precision", asked.codec_precision, "--threads", str(asked.threads), "--json",
         *([] if asked.vision else ["--no-vision"])],
    )  # fmt: skip
    load, _ = timed("load_bundle", [sys.executable, "-c", _LOAD, str(bundle)])
    samples = write_sound(folder / "sound.wav", asked.seconds)
    out = folder / "out"
    separate, _ = timed(
        "winnow separate",
        [winnow, "separate", str(folder / "sound.wav"), "-p", PROMPT, "-o", str(out), "-m", str(bundle),
         "--mode", asked.mode, "--json"],
    )  # fmt: skip
    return {
        "checkpoint": made,
        "export": {**export, "bundle_gb": size_gb(bundle), "parity": json.loads(said)["parity"]},
        "files_gb": {path.name: size for path in sorted(bundle.iterdir()) if (size := _gb(path)) >= 0.001},
        "load_bundle": load,
        "separate": {**separate, "real_time_factor": round(separate["s"] / asked.seconds, 1)},
        "rms": separated(out, samples),
    }


def _gb(path: Path) -> float:
    return round(path.stat().st_size / 1e9, 3)


def main() -> int:
    """Run it; 1 where something failed."""
    asked = options().parse_args()
    follows = floor(asked)
    print(f"{asked.size}, {asked.precision}: " + ", ".join(f"{name} {value:g}" for name, value in follows.items()))
    folder = asked.folder or Path(tempfile.mkdtemp(prefix="sam-audio-export-"))
    try:
        found, failure = measure(asked, folder), None
    except Failed as error:
        found, failure = {}, str(error)
        print(failure, file=sys.stderr)
    finally:
        if asked.folder is None:
            shutil.rmtree(folder)
    given = {"size": asked.size, "precision": asked.precision, "codec_precision": asked.codec_precision}
    given |= {"vision": asked.vision, "mode": asked.mode, "seconds": asked.seconds, "threads": asked.threads}
    report.finish(NAME, {**given, "failure": failure, "floor": follows, **found}, asked)
    return 1 if failure else 0


if __name__ == "__main__":
    report.run(main)
