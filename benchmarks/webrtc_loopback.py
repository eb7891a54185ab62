"""How long does sound take through a WebRTC peer, there and back, on a good and on a bad network? Ours beside aiortc's.

Regime: real server processes on one core (`winnow serve` with the identity model; `benchmarks.webrtc_stock`, which is
aiortc as in its examples), a peer in this process on another. UDP, ICE, DTLS, SRTP, Opus both ways, 20 ms packets. The
peer of the stock runs is stock too; the peer of our runs uses our own receive and send path.

* `round trip`: of every block that came back, the place in the sound that was sent is found by correlation; the delay
  is from the capture of its first sample, less one packet (20 ms) and, for us, less the program's latency. Opus'
  look-ahead is in it (2.5 ms a direction with our settings, 6.5 with aiortc's), codec, buffers, threads, network too.
* bad networks: packets from the peer to the server are lost, or delayed each by 0 to 30 ms, independently, so that they
  overtake each other. `recovered_s`: time from the end of the bad network until blocks are as quick as the clean
  run's p95 plus 1 ms (9 of 10: other programs disturb too).
* `connect`: from making the offer to the first packet that comes back.
* `sessions`: more and more cheap peers, whose packets are timed as they pass (no look-ahead, no receiving buffer), less
  the program's latency; and the server's processor time.
* `cycles`: connect and close, again and again; memory, threads and tasks of the server from outside.
* `unread`: peers that send and never read what they get, and sound that nobody subscribes to.

Floor: 2 x 2.5 ms of Opus' look-ahead in the `lowdelay` mode; a packet has to be complete before it can leave.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.server_process import ServerProcess, _wait_until_ready, free_port, running_server
from benchmarks.webrtc_client import Impairment, Load, Probe, sample_delays, unique_sound
from engine.bundle import load_bundle
from engine.config import SessionConfig
from engine.prompt import Target
from engine.session import Session

NAME = "webrtc_loopback"
_PACKET_S = 0.02
_WARM_UP_S = 2.0
_NETWORKS = {
    "clean": (0.0, 0.0),
    "1 % loss": (0.01, 0.0),
    "30 ms jitter": (0.0, 0.03),
    "3 % loss + 30 ms jitter": (0.03, 0.03),
}
PARTS = ("trip", "connect", "sessions", "cycles", "unread")


def options() -> argparse.ArgumentParser:
    """What can be asked for."""
    parser = report.options(__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--seconds", type=float, default=20.0, help="of each round-trip run")
    parser.add_argument("--model", default="identity")
    parser.add_argument("--server-core", type=int, default=0)
    parser.add_argument("--sessions", type=int, nargs="+", default=[1, 10, 20, 25, 30])
    parser.add_argument("--session-seconds", type=float, default=10.0)
    parser.add_argument("--connects", type=int, default=20)
    parser.add_argument("--cycles", type=int, default=200)
    parser.add_argument("--unread-minutes", type=float, default=2.0)
    parser.add_argument(
        "--first", action="store_true", help="servers and peers before all other programs on their cores (needs root)"
    )
    parser.add_argument("--no-stock", action="store_true", help="leave aiortc's own path out")
    return parser


@dataclass(frozen=True, slots=True)
class Kind:
    """A server to measure: how it is started, and what its program adds."""

    name: str
    program_s: float


@contextmanager
def stock_server(core: int, first: bool) -> Iterator[ServerProcess]:
    """aiortc's echo in a process of its own."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.webrtc_stock", str(port)]
    if first:
        command = ["chrt", "--rr", "1", *command]
    if core < (os.cpu_count() or 1):
        command = ["taskset", "-c", str(core), *command]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        server = ServerProcess(process, port)
        with open(os.devnull, "rb") as words:
            _wait_until_ready(server, words)
        yield server
    finally:
        process.terminate()
        process.wait(timeout=15)


@contextmanager
def server_of(kind: Kind, asked: argparse.Namespace) -> Iterator[ServerProcess]:
    """The server of a kind, running."""
    if kind.name == "stock":
        with stock_server(asked.server_core, asked.first) as server:
            yield server
    else:
        settings = {
            "WINNOW_CAPACITY_SHARE": "1000",
            "WINNOW_LOG_LEVEL": "warning",
            # One address connects far more often here than any client may.
            "WINNOW_SIGNALLING_PER_S": "1000",
            "WINNOW_SIGNALLING_BURST": "1000",
        }
        with running_server(asked.model, asked.server_core, settings, asked.first) as server:
            yield server


def program_latency_s(model: str) -> float:
    """What the program itself holds back."""
    bundle = load_bundle(model)
    session = Session(bundle, SessionConfig(48_000, 2, (Target("target", "speech"),)))
    latency_s = session.latency.algorithmic_ms / 1e3
    session.close()
    return latency_s


# --- round trip -----------------------------------------------------------------------------------------------


async def round_trip(kind: Kind, port: int, network: str, seconds: float, limit_ms: float | None) -> dict[str, Any]:
    """One run; a bad network ends 3 s before the end, to see how soon all is well again."""
    loss, jitter_s = _NETWORKS[network]
    bad = Impairment(loss, jitter_s) if loss or jitter_s else None
    probe = Probe(port, stock=kind.name == "stock", impairment=bad)
    await probe.connect()
    sound = unique_sound(seconds + _WARM_UP_S)
    ended_s = 0.0

    def end_bad_network() -> bool:
        nonlocal ended_s
        if bad is not None and bad.on and len(probe.sent_s) * _PACKET_S > seconds + _WARM_UP_S - 3.0:
            bad.on, ended_s = False, probe.sent_s[-1]
        return False

    await probe.talk(sound, end_bad_network)
    await asyncio.sleep(0.5)
    receiver = probe.receiver
    await probe.close()
    delays = sample_delays(probe.heard, probe.sent_s, sound)
    begin_s = probe.sent_s[0] + _WARM_UP_S
    net = [(at_s, delay_s - kind.program_s) for at_s, delay_s in delays if at_s >= begin_s]
    during = [delay_s for at_s, delay_s in net if bad is None or at_s < ended_s]
    found: dict[str, Any] = {
        "blocks": len(during),
        "expected": int((seconds - (3.0 if bad else 0.0)) / _PACKET_S),
        "delay_ms": report.percentiles(during),
    }
    if bad is not None:
        found["lost"] = bad.lost
        after = [(at_s, delay_s) for at_s, delay_s in net if at_s >= ended_s]
        found["after_ms"] = report.percentiles([delay_s for _, delay_s in after])
        if limit_ms is not None:
            found["recovered_s"] = recovery_s(after, ended_s, limit_ms / 1e3)
    if receiver is not None:
        found["peer_concealed_ms"] = receiver.stats().concealed_ms
    return found


def recovery_s(after: list[tuple[float, float]], ended_s: float, limit_s: float) -> float | None:
    """From the end of the bad network until 9 of the next 10 blocks are as quick as they should be; None: never."""
    quick = [delay_s <= limit_s for _, delay_s in after]
    for index in range(len(quick) - 9):
        if quick[index] and sum(quick[index : index + 10]) >= 9:
            return round(after[index][0] - ended_s, 3)
    return None


async def round_trips(kind: Kind, port: int, asked: argparse.Namespace) -> dict[str, Any]:
    """All networks."""
    results: dict[str, Any] = {}
    limit_ms = None
    for network in _NETWORKS:
        found = await round_trip(kind, port, network, asked.seconds, limit_ms)
        if network == "clean":
            limit_ms = found["delay_ms"]["p95"] + 1.0
        results[network] = found
        after = ""
        if "recovered_s" in found:
            after = (
                "  never recovered" if found["recovered_s"] is None else f"  recovered in {found['recovered_s']:g} s"
            )
        shown = report.shown(found["delay_ms"], "ms")
        print(f"  {kind.name:6} {network:24} {shown}  ({found['blocks']} of {found['expected']}){after}", flush=True)
    return results


# --- connecting, many sessions ----------------------------------------------------------------------------------


async def connect_times(kind: Kind, port: int, count: int) -> dict[str, float]:
    """From the offer to the first packet that comes back."""
    took = []
    for _ in range(count):
        peer = Load(port, 0.0)
        begun = time.perf_counter()
        await peer.connect()
        async with asyncio.timeout(10.0):
            await peer.returned.wait()
        took.append(time.perf_counter() - begun)
        await peer.close()
    found = report.percentiles(took)
    print(f"  {kind.name:6} offer to first returned packet  {report.shown(found, 'ms')}", flush=True)
    return found


async def many_sessions(kind: Kind, server: ServerProcess, asked: argparse.Namespace) -> list[dict[str, Any]]:
    """Delay and processor time with more and more peers."""
    rows = []
    for count in asked.sessions:
        peers = [Load(server.port, index * _PACKET_S / count) for index in range(count)]
        for begin in range(0, count, 5):
            await asyncio.gather(*(peer.connect() for peer in peers[begin : begin + 5]))
        await asyncio.sleep(_WARM_UP_S)
        gc.collect()
        begun_s, cpu_s, own_s = time.perf_counter(), sum(server.cpu_s()), time.process_time()
        after_s = asyncio.get_running_loop().time()
        await asyncio.sleep(asked.session_seconds)
        spent_s = time.perf_counter() - begun_s
        delays = [delay_s - kind.program_s for peer in peers for delay_s in peer.delays_s(after_s)]
        row = {
            "sessions": count,
            "delay_ms": report.percentiles(delays),
            "packets": len(delays),
            "expected": int(count * asked.session_seconds / _PACKET_S),
            "server_cpu_percent": round((sum(server.cpu_s()) - cpu_s) / spent_s * 100, 1),
            "peers_cpu_percent": round((time.process_time() - own_s) / spent_s * 100, 1),
            "server_rss_mb": round(server.rss_mb(), 1),
        }
        rows.append(row)
        print(
            f"  {kind.name:6} {count:3d} sessions  {report.shown(row['delay_ms'], 'ms')}  server "
            f"{row['server_cpu_percent']:g} %  peers {row['peers_cpu_percent']:g} %  "
            f"({row['packets']} of {row['expected']})",
            flush=True,
        )
        await asyncio.gather(*(peer.close() for peer in peers))
        await asyncio.sleep(0.5)
    return rows


# --- what is left -----------------------------------------------------------------------------------------------


def threads_of(server: ServerProcess) -> int:
    """Threads of the server's process."""
    return len(list(Path(f"/proc/{server._process.pid}/task").iterdir()))


async def cycles(kind: Kind, server: ServerProcess, count: int) -> dict[str, Any]:
    """Memory and threads of the server before and after many sessions; a quarter more go before, as a warm-up."""
    warm_up = max(count // 4, 1)
    before, failed = (0.0, 0), 0
    for index in range(count + warm_up):
        if index == warm_up:
            await asyncio.sleep(2.0)
            before = server.rss_mb(), threads_of(server)
        peer = Load(server.port, 0.0)
        await peer.connect()
        try:
            async with asyncio.timeout(10.0):
                await peer.returned.wait()
        except TimeoutError:
            failed += 1
        await peer.close()
    await asyncio.sleep(2.0)
    found = {
        "cycles": count,
        "failed": failed,
        "rss_mb_before": round(before[0], 1),
        "rss_mb_after": round(server.rss_mb(), 1),
        "grown_mb": round(server.rss_mb() - before[0], 2),
        "threads_before": before[1],
        "threads_after": threads_of(server),
        "tasks_left_here": len(asyncio.all_tasks()) - 1,
    }
    print(f"  {kind.name:6} {json.dumps(found)}", flush=True)
    return found


async def unread(kind: Kind, server: ServerProcess, minutes: float) -> dict[str, Any]:
    """A peer that sends and reads nothing of what it gets."""
    peer = Load(server.port, 0.0)
    await peer.connect()
    await asyncio.sleep(10.0)
    before = server.rss_mb()
    peer.came.clear()
    samples = []
    for _ in range(max(round(minutes * 6), 1)):
        await asyncio.sleep(10.0)
        peer.came.clear()
        samples.append(round(server.rss_mb(), 1))
    found: dict[str, Any] = {
        "minutes": minutes,
        "rss_mb_before": round(before, 1),
        "rss_mb_each_minute": samples[5::6],
        "grown_mb": round(server.rss_mb() - before, 2),
    }
    found["lived_to_the_end"] = await peer.close()
    print(f"  {kind.name:6} {json.dumps(found)}", flush=True)
    return found


async def measure(kind: Kind, server: ServerProcess, asked: argparse.Namespace) -> dict[str, Any]:
    """All parts that were asked for."""
    jobs: dict[str, Callable[[], Awaitable[Any]]] = {
        "trip": lambda: round_trips(kind, server.port, asked),
        "connect": lambda: connect_times(kind, server.port, asked.connects),
        "sessions": lambda: many_sessions(kind, server, asked),
        "cycles": lambda: cycles(kind, server, asked.cycles),
        "unread": lambda: unread(kind, server, asked.unread_minutes),
    }
    return {part: await jobs[part]() for part in PARTS if part in asked.parts}


def main() -> None:
    """Run it."""
    asked = options().parse_args()
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) > 1:
        os.sched_setaffinity(0, {core for core in cores if core != asked.server_core})
    if asked.first:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    kinds = [Kind("ours", program_latency_s(asked.model))]
    if not asked.no_stock:
        kinds.insert(0, Kind("stock", 0.0))
    print("floor: 5 ms of look-ahead (Opus lowdelay, both ways); packet and program are taken off already")
    results: dict[str, Any] = {}
    for kind in kinds:
        with server_of(kind, asked) as server:
            results[kind.name] = asyncio.run(measure(kind, server, asked))
    # Sound cards and codecs do not count in it; what a listener adds is in benchmarks/browser.py.
    report.finish(
        NAME,
        {"model": asked.model, "first": asked.first, "program_ms": kinds[-1].program_s * 1e3, "results": results},
        asked,
    )


if __name__ == "__main__":
    report.run(main)
