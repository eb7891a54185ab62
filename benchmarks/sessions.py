"""How many live sessions does one core carry with no late hop, at real-time pace, through the real server?

Regime: `winnow serve` in a process of its own, pinned to one core with everything it does: sockets, WebSocket framing,
sessions, graph. The load generator (`benchmarks/load.py`) is pinned to another core: N raw-mode connections over
loopback, 48 kHz s16 mono, 10 ms chunks, each at a random phase, for `--seconds`. A hop is late when it leaves more
than one hop after it was due, as the server itself counts it; arrival latency is measured at the client. The processor
time of the server comes from the kernel, which also says how much of it was its own (sockets). `--ramp` raises N until
hops are late; `--minutes` runs one N for long and reports how resident memory grows after a minute of warming up.

Floor: the algorithmic latency (a chunk's own length included); the generator's own lag is printed beside it.
"""

from __future__ import annotations

import argparse
import os
from typing import Any

import numpy as np

from benchmarks import report
from benchmarks.load import Load, Outcome, Plan, go_first_on
from benchmarks.server_process import ServerProcess, running_server
from engine.bundle import find_bundle
from engine.config import hops_per_call, latency_of
from engine.frames import Samples
from engine.spec import AudioSpec, load_spec

NAME = "sessions"
OPEN_DOORS = {"WINNOW_CAPACITY_SHARE": "100", "WINNOW_MAX_SESSIONS": "1000"}
WARM_S = 60.0
"""Memory is compared with what it was after so long (a quarter of the run, if that is shorter)."""


def options() -> argparse.ArgumentParser:
    """What can be asked for."""
    parser = report.options(__doc__)
    parser.add_argument("-n", "--sessions", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--minutes", type=float, help="run so long instead, and report memory growth")
    parser.add_argument("--ramp", type=int, nargs=3, metavar=("FROM", "TO", "STEP"), help="raise N until hops are late")
    parser.add_argument("--model", default="default", help="bundle: default, identity, or a folder")
    parser.add_argument("--rate", type=int, default=48000, help="sample rate of the clients, Hz")
    parser.add_argument("--channels", type=int, default=1, choices=(1, 2))
    parser.add_argument("--chunk-ms", type=float, default=10.0)
    parser.add_argument("--hop-ms", type=float, help="hop of the server (`winnow serve --hop`); default: the model's")
    parser.add_argument("--prompt", default="speech")
    parser.add_argument("--server-core", type=int, default=0)
    parser.add_argument("--busy-machine", action="store_true", help="run the server before other programs (root)")
    parser.add_argument("--admission", action="store_true",
                        help="keep the server's own limit: how many of N get in, and are they on time?")  # fmt: skip
    parser.add_argument("--load-core", type=int, default=1)
    return parser


def sound(rate: int, channels: int) -> Samples:
    """Two seconds of noise that swells and fades, -20 dBFS at most."""
    count = 2 * rate
    swell = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(count) / rate)
    return (0.1 * swell * np.random.default_rng(4).standard_normal((channels, count))).astype(np.float32)


def run_once(server: ServerProcess, asked: argparse.Namespace, sessions: int, seconds: float) -> dict[str, Any]:
    """One run of N sessions; what came of it."""
    plan = Plan(
        port=server.port,
        sessions=sessions,
        seconds=seconds,
        prompt=asked.prompt,
        sound=sound(asked.rate, asked.channels),
        sample_rate=asked.rate,
        chunk=round(asked.chunk_ms * asked.rate / 1000),
    )
    load = Load(plan)
    memory: list[tuple[float, float]] = []
    before_s = server.cpu_s()
    try:
        outcome = load.run(every_s=1.0, observe=lambda at_s: memory.append((at_s, server.rss_mb())))
    finally:
        load.close()
    program_s, kernel_s = (after_s - at_first_s for after_s, at_first_s in zip(server.cpu_s(), before_s, strict=True))
    return summary(asked, plan, outcome, (program_s, kernel_s), memory)


def summary(
    asked: argparse.Namespace,
    plan: Plan,
    outcome: Outcome,
    cpu_s: tuple[float, float],
    memory: list[tuple[float, float]],
) -> dict[str, Any]:
    """The outcome as one flat object."""
    audio = load_spec(find_bundle(asked.model)).audio
    over_s = outcome.latency_s - latency_s(asked, audio)
    hops = plan.sessions * plan.seconds / audio.hop_s
    closes = [link.closed for link in outcome.connections]
    grown = growth(memory, plan.seconds)
    return {
        "sessions": plan.sessions,
        "seconds": plan.seconds,
        "late_hops": outcome.late_hops,
        "sessions_without_ended": outcome.missing,
        "closes": {str(code): closes.count(code) for code in set(closes)},
        "hops_measured": int(outcome.latency_s.size),
        "arrival_ms": report.percentiles(outcome.latency_s),
        "over_algorithmic_ms": report.percentiles(over_s),
        "server_core_share": round(sum(cpu_s) / plan.seconds, 3),
        "server_cpu_us_per_hop_and_session": round(sum(cpu_s) / hops * 1e6, 1),
        "of_which_kernel_us": round(cpu_s[1] / hops * 1e6, 1),
        "generator_lag_ms": report.percentiles(outcome.lag_s),
        "rss_mb": {"first": round(memory[0][1], 1), "last": round(memory[-1][1], 1)} if memory else {},
        "rss_growth_mb": grown,
    }


def latency_s(asked: argparse.Namespace, audio: AudioSpec) -> float:
    """Algorithmic latency with the hop asked for, without resampling."""
    hops = hops_per_call(asked.hop_ms, audio)
    return latency_of(audio, audio.sample_rate, audio.sample_rate, hops).algorithmic_ms / 1000


def growth(memory: list[tuple[float, float]], seconds: float) -> float | None:
    """Resident memory at the end minus after warming up, megabytes; medians of ten readings each."""
    warm = [mb for at_s, mb in memory if at_s >= min(WARM_S, seconds / 4)]
    if len(warm) < 20:
        return None
    return round(float(np.median(warm[-10:]) - np.median(warm[:10])), 2)


def show(row: dict[str, Any]) -> None:
    """A run for a person."""
    print(
        f"  {row['sessions']:4d} sessions  late {row['late_hops']:6d}  "
        f"arrival {report.shown(row['arrival_ms'], 'ms')}   core {row['server_core_share']:.0%}  "
        f"{row['server_cpu_us_per_hop_and_session']:.0f} µs a hop and session, {row['of_which_kernel_us']:.0f} of them "
        f"kernel   generator lag p99 {row['generator_lag_ms']['p99']:.2f} ms",
        flush=True,
    )
    if set(row["closes"]) != {"1000"}:
        print(f"       closes {row['closes']}, without `ended`: {row['sessions_without_ended']}")


def clean(row: dict[str, Any]) -> bool:
    """Whether the core carried this run."""
    return bool(row["late_hops"] == 0 and row["sessions_without_ended"] == 0)


def main() -> None:
    """Run it."""
    asked = options().parse_args()
    audio: AudioSpec = load_spec(find_bundle(asked.model)).audio
    hop_s = hops_per_call(asked.hop_ms, audio) * audio.hop_s
    print(f"floor: algorithmic latency {latency_s(asked, audio) * 1e3:g} ms ({asked.model}, hop {hop_s * 1e3:g} ms)")
    if (os.cpu_count() or 1) < 2:
        print("one core only: server and generator share it, and the numbers are worse for it")
    go_first_on(asked.load_core)
    seconds = asked.minutes * 60 if asked.minutes else asked.seconds
    counts = range(asked.ramp[0], asked.ramp[1] + 1, asked.ramp[2]) if asked.ramp else [asked.sessions]
    rows = []
    # Else admission by load is switched off: the question is where hops become late, not where the server says no.
    doors = {"WINNOW_MAX_SESSIONS": "1000"} if asked.admission else OPEN_DOORS
    doors = {**doors, "WINNOW_HOP_MS": f"{hop_s * 1e3:g}"}
    with running_server(asked.model, asked.server_core, doors, asked.busy_machine) as server:
        for count in counts:
            row = run_once(server, asked, count, seconds)
            rows.append(row)
            show(row)
            if asked.ramp and not clean(row):
                break
    carried = max((row["sessions"] for row in rows if clean(row)), default=0)
    print(f"carried without a late hop: {carried} sessions")
    if rows[-1]["rss_growth_mb"] is not None:
        print(f"memory grew by {rows[-1]['rss_growth_mb']} MB in {seconds:.0f} s")
    report.finish(NAME, {"model": asked.model, "carried_without_a_late_hop": carried, "rows": rows}, asked)


if __name__ == "__main__":
    report.run(main)
