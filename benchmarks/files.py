"""How many times faster than it sounds does a file go through on one core?

Regime: the process is pinned to one core and the graph runs on one thread. A file passes the very same session and
batcher as live sound, only with up to 128 hops in a call, since all of it is there at once. Two numbers: the engine
on an array that is already in memory, and (`--command`) the whole `winnow separate` on a file, with decoding,
encoding, writing and the start of Python in it.

Floor: the bare graph with 128 hops a call and nothing around it, printed first; the engine cannot be faster.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import wave
from pathlib import Path

import numpy as np

from benchmarks import report
from engine.bundle import Bundle, load_bundle
from engine.frames import Samples
from engine.offline import separate
from engine.prompt import Target

NAME = "files"
HOPS_A_CALL = 128


def options() -> argparse.ArgumentParser:
    """What can be asked for."""
    parser = report.options(__doc__)
    parser.add_argument("--model", default="default")
    parser.add_argument("--seconds", type=float, default=120.0, help="length of the sound")
    parser.add_argument("--rate", type=int, default=48000)
    parser.add_argument("--channels", type=int, default=1, choices=(1, 2))
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--no-residual", action="store_true")
    parser.add_argument("--core", type=int, default=0)
    parser.add_argument("--command", action="store_true", help="time `winnow separate` on a file too")
    return parser


def graph_floor(bundle: Bundle, calls: int = 20) -> float:
    """Times real time of the bare graph, `HOPS_A_CALL` hops of one slot a call."""
    slot = bundle.program.open_slot()
    spectrum = np.random.default_rng(1).standard_normal((1, HOPS_A_CALL, bundle.spec.bins, 2)).astype(np.float32)
    query = np.zeros((1, bundle.spec.query_size), np.float32)
    hint = np.zeros((1, 2), np.float32)
    took = []
    for _ in range(calls):
        begun = time.perf_counter()
        bundle.masking.runtime.separate(np.array([slot]), spectrum, query, hint)
        took.append(time.perf_counter() - begun)
    bundle.program.close_slot(slot)
    return HOPS_A_CALL * bundle.spec.audio.hop_s / float(np.median(took))


def noise(seconds: float, rate: int, channels: int) -> Samples:
    """Noise at -26 dBFS; the engine's cost does not depend on what it hears."""
    count = int(seconds * rate)
    return (0.05 * np.random.default_rng(3).standard_normal((channels, count))).astype(np.float32)


def command_times(asked: argparse.Namespace, sound: Samples) -> list[float]:
    """Seconds of wall clock of the whole command, pinned to the same core as this process."""
    took = []
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "in.wav"
        with wave.open(str(source), "wb") as file:
            file.setnchannels(asked.channels)
            file.setsampwidth(2)
            file.setframerate(asked.rate)
            file.writeframes((sound.T * 32767).astype("<i2").tobytes())
        for run in range(min(asked.runs, 3)):
            begun = time.perf_counter()
            subprocess.run(
                [sys.executable, "-m", "streaming.cli", "separate", str(source), "-p", "speech",
                 "-o", str(Path(folder) / f"out{run}"), "--model", asked.model],
                check=True,
                stdout=subprocess.DEVNULL,
            )  # fmt: skip
            took.append(time.perf_counter() - begun)
    return took


def main() -> None:
    """Run it."""
    asked = options().parse_args()
    if len(os.sched_getaffinity(0)) > 1:
        os.sched_setaffinity(0, {asked.core})
    bundle = load_bundle(asked.model)
    floor = graph_floor(bundle)
    print(f"floor: the bare graph of {bundle.spec.name}, {HOPS_A_CALL} hops a call: {floor:.0f} × real time")
    sound = noise(asked.seconds, asked.rate, asked.channels)
    targets = (Target("kept", "speech"),)
    took = []
    for _ in range(asked.runs):
        begun = time.perf_counter()
        separate(bundle, sound, asked.rate, targets, residual=not asked.no_residual)
        took.append(time.perf_counter() - begun)
    speed = [asked.seconds / seconds for seconds in took]
    print(f"engine, in memory: {np.median(speed):.0f} × real time (slowest of {asked.runs}: {min(speed):.0f})")
    result = {
        "model": bundle.spec.name,
        "seconds": asked.seconds,
        "rate": asked.rate,
        "channels": asked.channels,
        "residual": not asked.no_residual,
        "graph_floor_x": round(floor, 1),
        "engine_x": {"median": round(float(np.median(speed)), 1), "slowest": round(min(speed), 1)},
    }
    if asked.command:
        whole = [asked.seconds / seconds for seconds in command_times(asked, sound)]
        print(f"`winnow separate`, start of Python and both files included: {np.median(whole):.0f} × real time")
        result["command_x"] = {"median": round(float(np.median(whole)), 1), "slowest": round(min(whole), 1)}
    report.finish(NAME, result, asked)


if __name__ == "__main__":
    report.run(main)
