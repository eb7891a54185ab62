"""Socket to socket: how long after it was captured does a hop arrive, and where does the time go?

Regime: the real server over loopback, one raw-mode session (more with `-n`), 10 ms chunks at real-time pace. Arrival
latency = time of receipt − time of capture of the hop's first sample; a chunk's first sample was captured one chunk
length before it was sent. The stages are the server's own percentiles (`stats` messages, once a second): `queue`,
`model`, `stitch`; `gather` follows from the lengths (hop and crossfade must fill up), `send` is what remains: kernel,
WebSocket, event loop, both wakes. Percentiles of stages do not add up to those of the sum; p50 nearly does.

Floor: the algorithmic latency, and below it a bare echo of one chunk over the same loopback.
"""

from __future__ import annotations

import argparse
import socket
import threading
import time
from typing import Any

import numpy as np

from benchmarks import report
from benchmarks.load import Load, Outcome, Plan, go_first_on
from benchmarks.server_process import running_server
from engine.bundle import find_bundle
from engine.frames import Samples
from engine.spec import load_spec

NAME = "end_to_end"


def options() -> argparse.ArgumentParser:
    """What can be asked for."""
    parser = report.options(__doc__)
    parser.add_argument("-n", "--sessions", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--model", default="default")
    parser.add_argument("--rate", type=int, default=48000)
    parser.add_argument("--chunk-ms", type=float, default=10.0)
    parser.add_argument("--prompt", default="speech")
    parser.add_argument("--server-core", type=int, default=0)
    parser.add_argument("--busy-machine", action="store_true", help="run the server before other programs (root)")
    parser.add_argument("--load-core", type=int, default=1)
    return parser


def echo_floor(size: int, rounds: int = 500) -> float:
    """Median seconds for `size` bytes to a thread and back over loopback."""
    with socket.create_server(("127.0.0.1", 0)) as door:

        def answer() -> None:
            link, _ = door.accept()
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with link:
                while data := link.recv(size):
                    link.sendall(data)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        took = []
        with socket.create_connection(door.getsockname()) as link:
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for _ in range(rounds):
                begun = time.perf_counter()
                link.sendall(bytes(size))
                left = size
                while left:
                    left -= len(link.recv(left))
                took.append(time.perf_counter() - begun)
        thread.join(5)
    return float(np.median(took))


def sound(rate: int) -> Samples:
    """Two seconds of noise at -26 dBFS."""
    return (0.05 * np.random.default_rng(5).standard_normal((1, 2 * rate))).astype(np.float32)


def stages(outcome: Outcome) -> dict[str, Any]:
    """Median over the seconds of what the server's `stats` say, by their own names."""
    found: dict[str, list[float]] = {}
    for connection in outcome.connections:
        for message in connection.messages:
            if message.get("type") == "stats":
                _collect("", message, found)
    return {name: round(float(np.median(values)), 3) for name, values in found.items()}


def _collect(prefix: str, node: dict[str, Any], found: dict[str, list[float]]) -> None:
    for name, value in node.items():
        if isinstance(value, dict):
            _collect(f"{prefix}{name}.", value, found)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found.setdefault(prefix + name, []).append(float(value))


def main() -> None:
    """Run it."""
    asked = options().parse_args()
    audio = load_spec(find_bundle(asked.model)).audio
    plan_chunk = round(asked.chunk_ms * asked.rate / 1000)
    echo_s = echo_floor(2 * plan_chunk)
    print(f"floor: algorithmic latency {audio.latency_s * 1e3:g} ms; bare echo of a chunk {echo_s * 1e6:.0f} µs")
    go_first_on(asked.load_core)
    with running_server(asked.model, asked.server_core, first=asked.busy_machine) as server:
        load = Load(
            Plan(server.port, asked.sessions, asked.seconds, asked.prompt, sound(asked.rate), asked.rate, plan_chunk)
        )
        try:
            outcome = load.run()
        finally:
            load.close()
    arrival = report.percentiles(outcome.latency_s)
    over = report.percentiles(outcome.latency_s - audio.latency_s)
    print(
        f"arrival           {report.shown(arrival, 'ms')}   ({outcome.latency_s.size} hops, {outcome.late_hops} late)"
    )
    print(f"over the floor    {report.shown(over, 'ms')}")
    print(f"generator's lag   {report.shown(report.percentiles(outcome.lag_s), 'ms')}")
    measured = stages(outcome)
    for name, value in measured.items():
        print(f"  server says     {name} {value:g}")
    result = {
        "model": asked.model,
        "sessions": asked.sessions,
        "algorithmic_ms": audio.latency_s * 1e3,
        "echo_us": round(echo_s * 1e6, 1),
        "arrival_ms": arrival,
        "over_algorithmic_ms": over,
        "late_hops": outcome.late_hops,
        "sessions_without_ended": outcome.missing,
        "server_stats_median": measured,
        "generator_lag_ms": report.percentiles(outcome.lag_s),
    }
    report.finish(NAME, result, asked)


if __name__ == "__main__":
    report.run(main)
