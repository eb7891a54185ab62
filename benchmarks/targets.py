"""What does each further target in one session cost?

Regime: the engine alone, no server, no socket, one thread. One session with 1 to 8 targets, each a concept of its own,
is fed 10 ms of noise at a time; the batcher steps until nothing is left, the pieces are taken. The transform of the
input is made once, however many targets ask for it; each further target is a slot in the same graph call, a transform
back and a track. Without the residual, and with it: with several targets it needs one slot more, for their union. The
rounds of all sizes are mixed, so that a slow moment of the machine touches all of them alike.

Floor: the bare graph call for that many slots, without a session around it, printed first (median).
"""

from __future__ import annotations

import argparse
import time
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import report
from benchmarks.hop_latency import graph_floor, one_tick
from engine.batcher import Batcher
from engine.bundle import Bundle, load_bundle
from engine.config import SessionConfig
from engine.prompt import Target
from engine.session import Session

NAME = "targets"
ROUND = 50
"""Hops of one size in a row: enough to be warm, short enough that all sizes see the same machine."""


def options() -> argparse.ArgumentParser:
    """What can be asked for."""
    parser = report.options(__doc__)
    parser.add_argument("--model", default="default")
    parser.add_argument("--most", type=int, default=8, help="targets in the largest session")
    parser.add_argument("--hops", type=int, default=2000, help="hops measured for each size")
    parser.add_argument("--floor", type=int, default=300, help="calls of the bare graph")
    return parser


def sessions(bundle: Bundle, most: int, residual: bool) -> list[tuple[Session, Batcher]]:
    """A session with a batcher of its own for each number of targets from 1 to `most`."""
    labels = list(islice((*bundle.vocabulary.advertised, *bundle.vocabulary.experimental), most))
    targets = tuple(Target(f"t{index}", label) for index, label in enumerate(labels))
    found = []
    for count in range(1, len(targets) + 1):
        session = Session(bundle, SessionConfig(48_000, 1, targets[:count], residual=residual))
        batcher = Batcher(bundle.program, time.perf_counter)
        batcher.add(session)
        found.append((session, batcher))
    return found


def hop_seconds(bundle: Bundle, most: int, hops: int, residual: bool) -> NDArray[np.float64]:
    """Seconds of each hop, `(targets, hops)`."""
    sound = (0.05 * np.random.default_rng(2).standard_normal((1, bundle.spec.audio.hop))).astype(np.float32)
    running = sessions(bundle, most, residual)
    took: list[list[float]] = [[] for _ in running]
    for turn in range(-1, max(hops // ROUND, 1)):
        for (session, batcher), row in zip(running, took, strict=True):
            measured = [one_tick(batcher, [session], sound) for _ in range(ROUND)]
            if turn >= 0:  # the first round warms up
                row += measured
    for session, _ in running:
        session.close()
    return np.array(took)


def row_of(seconds: NDArray[np.float64]) -> dict[str, Any]:
    """Percentiles for each number of targets, and what one more costs: slope of a line through the medians."""
    medians = np.median(seconds, axis=1)
    slope_s = float(np.polyfit(np.arange(1, len(medians) + 1), medians, 1)[0]) if len(medians) > 1 else 0.0
    return {
        "hop_us": [report.percentiles(row, 1e6, 1) for row in seconds],
        "further_target_us": round(slope_s * 1e6, 1),
    }


def main() -> None:
    """Run it."""
    asked = options().parse_args()
    bundle = load_bundle(asked.model, warm_batch=2 * asked.most)
    floors = [graph_floor(bundle, count, asked.floor) for count in range(1, asked.most + 1)]
    print(f"{bundle.spec.name} on {bundle.provider}, hop {bundle.spec.audio.hop_s * 1e3:g} ms")
    print("floor: one bare graph call, µs: " + "  ".join(f"{count} {s * 1e6:.0f}" for count, s in enumerate(floors, 1)))
    result: dict[str, Any] = {"floor_us": [round(floor_s * 1e6, 1) for floor_s in floors]}
    for name, residual in (("targets", False), ("targets_and_residual", True)):
        result[name] = row_of(hop_seconds(bundle, asked.most, asked.hops, residual))
        print(f"{name.replace('_', ' ')}: {result[name]['further_target_us']} µs for each further target")
        for count, cuts in enumerate(result[name]["hop_us"], 1):
            print(f"  {count} targets   {cuts['p50'] / 1e3:.3f} ms a hop   {report.shown(cuts, 'µs')}")
    report.finish(NAME, {"model": bundle.spec.name, "provider": bundle.provider, **result}, asked)


if __name__ == "__main__":
    report.run(main)
