"""How long does one hop take in the engine alone, by stage, and how much of it is our own Python?

Regime: no server, no socket. A tick is one hop of every session at once: each session is fed 10 ms of noise, the
batcher steps until nothing is left, the pieces are taken. Batches of 1 to 64 sessions, one thread, garbage collection
as in a server. The stages are the engine's own (`Meter`): `queue` until the step began, `model` in the graph, `stitch`
transforms and overlap-add. What a tick takes beyond model and stitch is bookkeeping; per hop and session it is the
house's own cost, with a budget of 100 µs that the server's share must fit into as well.

Floor: the bare graph call for that many slots, without a session around it, printed first (`--floor` calls, median).
With `--model identity` the graph costs nothing, and what is left is the house itself.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np

from benchmarks import report
from engine.batcher import Batcher
from engine.bundle import Bundle, load_bundle
from engine.config import SessionConfig
from engine.frames import Samples
from engine.prompt import Target
from engine.session import Session

NAME = "hop_latency"


def options() -> argparse.ArgumentParser:
    """What can be asked for."""
    parser = report.options(__doc__)
    parser.add_argument("--model", default="default", help="bundle name or folder (default: the embedded model)")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32, 64])
    parser.add_argument("--hops", type=int, default=1000, help="ticks measured for each batch size")
    parser.add_argument("--rate", type=int, default=48000, help="sample rate of the sessions, Hz")
    parser.add_argument("--residual", action="store_true", help="ask for the residual as well")
    parser.add_argument("--prompt", default="speech")
    parser.add_argument("--floor", type=int, default=300, help="calls of the bare graph")
    return parser


def graph_floor(bundle: Bundle, batch: int, calls: int) -> float:
    """Median seconds of one bare graph call of `batch` slots."""
    slots = [bundle.program.open_slot() for _ in range(batch)]
    rng = np.random.default_rng(1)
    spectrum = rng.standard_normal((batch, 1, bundle.spec.bins, 2)).astype(np.float32)
    query = np.zeros((batch, bundle.spec.query_size), np.float32)
    hint = np.zeros((batch, 2), np.float32)
    numbers = np.array(slots, np.intp)
    took = []
    for _ in range(calls):
        begun = time.perf_counter()
        bundle.masking.runtime.separate(numbers, spectrum, query, hint)
        took.append(time.perf_counter() - begun)
    for slot in slots:
        bundle.program.close_slot(slot)
    return float(np.median(took))


def measured(bundle: Bundle, batch: int, asked: argparse.Namespace) -> dict[str, Any]:
    """Ticks of `batch` sessions: microseconds of a tick, of its stages, and of the rest per hop and session."""
    batcher = Batcher(bundle.program, time.perf_counter)
    config = SessionConfig(asked.rate, 1, (Target("kept", asked.prompt),), residual=asked.residual)
    sessions = [Session(bundle, config) for _ in range(batch)]
    for session in sessions:
        batcher.add(session)
    chunk = round(bundle.spec.audio.hop_s * asked.rate)
    sound = (0.05 * np.random.default_rng(2).standard_normal((1, chunk))).astype(np.float32)
    for _ in range(20):
        one_tick(batcher, sessions, sound)
    for session in sessions:
        session.meter.reset()
    ticks = np.array([one_tick(batcher, sessions, sound) for _ in range(asked.hops)])
    model_s, stitch_s = (sessions[0].meter.percentiles()[stage][0] for stage in ("model", "stitch"))
    for session in sessions:
        session.close()
    own_s = np.median(ticks) - model_s
    return {
        "sessions": batch,
        "tick_us": report.percentiles(ticks, 1e6, 1),
        "model_us_p50": round(model_s * 1e6, 1),
        "stitch_us_p50": round(stitch_s * 1e6, 1),
        "own_us_per_hop_and_session": round(float(own_s) / batch * 1e6, 1),
        "sessions_per_core_at_100_percent": int(batch * bundle.spec.audio.hop_s / np.percentile(ticks, 50)),
    }


def one_tick(batcher: Batcher, sessions: list[Session], sound: Samples) -> float:
    """One hop of every session; seconds it took."""
    begun = time.perf_counter()
    for session in sessions:
        session.feed_audio(sound, begun)
        batcher.ready(session)
    while batcher.step():
        pass
    for session in sessions:
        session.take()
    return time.perf_counter() - begun


def main() -> None:
    """Run it."""
    asked = options().parse_args()
    bundle = load_bundle(asked.model)
    hop_ms = bundle.spec.audio.hop_s * 1e3
    print(f"{bundle.spec.name} on {bundle.provider}, hop {hop_ms:g} ms, {asked.rate} Hz in and out")
    print("floor: one bare graph call, median")
    floors = {batch: graph_floor(bundle, batch, asked.floor) for batch in asked.batches}
    for batch, floor_s in floors.items():
        print(f"  {batch:3d} slots  {floor_s * 1e6:8.0f} µs   {batch * hop_ms / 1e3 / floor_s:6.0f} streams a core")
    print("measured: one hop of every session, all that the engine does (µs)")
    print("  sessions   tick p50      p99    model   stitch   own per hop and session   streams a core")
    rows = []
    for batch in asked.batches:
        row = measured(bundle, batch, asked) | {"graph_floor_us": round(floors[batch] * 1e6, 1)}
        rows.append(row)
        print(
            f"  {batch:8d} {row['tick_us']['p50']:10.0f} {row['tick_us']['p99']:8.0f} {row['model_us_p50']:8.0f} "
            f"{row['stitch_us_p50']:8.0f} {row['own_us_per_hop_and_session']:25.0f} "
            f"{row['sessions_per_core_at_100_percent']:16d}",
            flush=True,
        )
    report.finish(
        NAME, {"model": bundle.spec.name, "provider": bundle.provider, "rate": asked.rate, "rows": rows}, asked
    )


if __name__ == "__main__":
    report.run(main)
