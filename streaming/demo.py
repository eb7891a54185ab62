"""`winnow demo`: a scene through the real server over a real WebSocket, in real time; then what was measured.

Nothing in the result is assumed: the delays are of this run, the scores of the sound that came back, the identity of
target + residual with the input of the samples as they were received.
"""

from __future__ import annotations

import asyncio
import gc
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console, Group
from rich.panel import Panel
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from engine.frames import Samples
from engine.score import si_sdr_db
from streaming.arrival import percentiles_ms
from streaming.client import ONLY_TARGET, Hop, LiveClient
from streaming.demo_picture import draw_spectrograms
from streaming.live_pipe import together
from streaming.local_server import local_server
from streaming.media_writing import OutputError, SoundWriter, made_folder
from streaming.scene import Scene, load_scene

CHUNK_S = 0.01
_PARTS = ("p50", "p95", "p99")


@dataclass(slots=True)
class Heard:
    """What came back while the scene played; times by `time.perf_counter`."""

    tracks: dict[str, Samples] = field(default_factory=dict)
    started: dict[str, Any] = field(default_factory=dict)
    ended: dict[str, Any] = field(default_factory=dict)
    seconds: list[dict[str, Any]] = field(default_factory=list)
    """The server's `stats`, one a second."""
    arrival_s: list[float] = field(default_factory=list)
    gather_s: list[float] = field(default_factory=list)
    first_hop_s: float = 0.0
    while_playing: int = 0
    """Samples of the target that came before the last was sent."""


@dataclass(frozen=True, slots=True)
class Result:
    """One run, measured. Durations in ms unless named otherwise."""

    scene: str
    prompt: str
    understood: tuple[str, ...]
    seconds: float
    model: str
    provider: str
    machine: str
    algorithmic_ms: float
    stages_ms: dict[str, dict[str, float]]
    arrival_ms: dict[str, float]
    first_hop_ms: float
    hops: int
    """Of one track, by its samples: those that are late come together in one message."""
    hops_while_playing: int
    late_hops: int
    rtf: float
    si_sdr_before_db: float | None
    si_sdr_after_db: float | None
    sum_error: float
    files: tuple[Path, ...]

    def as_json(self) -> dict[str, Any]:
        """The result as plain values."""
        plain = {name: getattr(self, name) for name in self.__slots__}
        plain["files"] = [str(path) for path in self.files]
        plain["understood"] = list(self.understood)
        plain["si_sdr_improvement_db"] = self.improvement_db
        return plain

    @property
    def improvement_db(self) -> float | None:
        """SI-SDR after minus before."""
        if self.si_sdr_before_db is None or self.si_sdr_after_db is None:
            return None
        return self.si_sdr_after_db - self.si_sdr_before_db


def run_demo(
    folder: Path, *, prompt: str | None = None, model: str = "default", quiet: bool = False, scene: Scene | None = None
) -> Result:
    """Run the demo and write `input.wav`, `target.wav`, `residual.wav` and `spectrograms.png` into `folder`.

    Args:
        folder: made if it is not there.
        prompt: None: the scene's own.
        model: bundle name or folder.
        quiet: no progress bar.
        scene: None: the one in the repository.

    Raises:
        ServerNotReady: the server does not start.
        UnknownPrompt: the model does not know the prompt.
        BadInput: `folder` is a file.
        OutputError: the disk refuses.
    """
    scene = scene or load_scene()
    wanted = scene.default if prompt is None else prompt
    mixture = scene.mixture
    console = Console(stderr=True, quiet=quiet)
    made_folder(folder, "output_dir")  # before a scene is played for nothing
    with console.status("starting the server …"), local_server(model) as (url, ready):
        console.print(f"[dim]server at {url}, model {ready['model']} on {ready['provider']}[/dim]", highlight=False)
        heard = _play(url, scene.rate, mixture, wanted, console)
    files = _write(folder, scene, mixture, heard, wanted)
    return _measured(scene, mixture, wanted, heard, ready, files)


# --- playing ------------------------------------------------------------------------------------------------------


def _play(url: str, rate: int, mixture: Samples, prompt: str, console: Console) -> Heard:
    bar = Progress(
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:4.1f} s   {task.fields[news]}"),
        console=console,
        refresh_per_second=4,
        disable=console.quiet or not console.is_terminal,
        transient=True,
    )
    task = bar.add_task(f"streaming, asking for “{prompt}”", total=mixture.shape[1] / rate, news="")

    def tell(done_s: float, news: str) -> None:
        bar.update(task, completed=done_s, news=news)

    # What the imports left behind need not be looked at by the collector while hops are timed.
    gc.collect()
    gc.freeze()
    try:
        with bar:
            return asyncio.run(_stream(url, rate, mixture, prompt, tell))
    finally:
        gc.unfreeze()


async def _stream(url: str, rate: int, mixture: Samples, prompt: str, tell: Callable[[float, str], None]) -> Heard:
    heard = Heard()
    pieces: dict[str, list[Hop]] = {}

    def note(event: dict[str, Any]) -> None:
        if event.get("type") == "stats":
            heard.seconds.append(event)
            arrival = percentiles_ms(tuple(heard.arrival_s[-200:]))
            tell(len(heard.seconds), f"arrival {arrival['p50']:.1f} ms")

    async with LiveClient(
        url, prompt=prompt, sample_rate=rate, encoding="pcm_f32le", residual=True, reconnect_s=0.0, on_event=note
    ) as live:
        heard.started = live.started
        playing = asyncio.Event()
        await together(_send(live, mixture, rate, playing), _receive(live, heard, pieces, playing))
        heard.ended = live.ended
    heard.tracks = {name: np.concatenate([hop.samples for hop in hops], axis=1) for name, hops in pieces.items()}
    return heard


async def _receive(live: LiveClient, heard: Heard, pieces: dict[str, list[Hop]], playing: asyncio.Event) -> None:
    began_s = time.perf_counter()
    async for hop in live:
        heard.first_hop_s = heard.first_hop_s or hop.received_s - began_s
        pieces.setdefault(hop.track, []).append(hop)
        if playing.is_set():
            if hop.track != "residual":
                heard.while_playing += hop.samples.shape[1]
            if hop.latency_s is not None and hop.gather_s is not None:
                heard.arrival_s.append(hop.latency_s)
                heard.gather_s.append(hop.gather_s)


async def _send(live: LiveClient, mixture: Samples, rate: int, playing: asyncio.Event) -> None:
    """The scene in chunks of 10 ms, each when its last sample is due."""
    playing.set()
    chunk = round(rate * CHUNK_S)
    began_s = time.perf_counter()
    for start in range(0, mixture.shape[1], chunk):
        piece = mixture[:, start : start + chunk]
        await asyncio.sleep(began_s + (start + piece.shape[1]) / rate - time.perf_counter())
        await live.send(piece)
    playing.clear()
    await live.end()


# --- afterwards -----------------------------------------------------------------------------------------------------


def _write(folder: Path, scene: Scene, mixture: Samples, heard: Heard, prompt: str) -> tuple[Path, ...]:
    target, residual = heard.tracks[f"{ONLY_TARGET}/target"], heard.tracks["residual"]
    sounds = {"input": mixture, "target": target, "residual": residual}
    paths = []
    for name, samples in sounds.items():
        paths.append(folder / f"{name}.wav")
        with SoundWriter(paths[-1], "wav", scene.rate, 1) as writer:
            writer.write(samples)
    picture = folder / "spectrograms.png"
    rows = [
        ("Input", " + ".join(stem.name.replace("-", " ") for stem in scene.stems), mixture),
        ("Target", f"asked for: “{prompt}”", target),
        ("Residual", "everything else", residual),
    ]
    try:
        draw_spectrograms(picture, scene.rate, rows, f"winnow: {scene.title}")
    except OSError as error:
        raise OutputError(picture, error.strerror or str(error)) from error
    return (*paths, picture)


def _measured(
    scene: Scene, mixture: Samples, prompt: str, heard: Heard, ready: dict[str, Any], files: tuple[Path, ...]
) -> Result:
    target, residual = heard.tracks[f"{ONLY_TARGET}/target"], heard.tracks["residual"]
    told = heard.started["targets"][0]
    labels = tuple(match["label"] for match in told["understood"])
    inverted = bool(told.get("everything_but", False))
    reference = scene.reference(labels, inverted)
    latency = heard.started["latency"]
    hop_ms = 1000.0 * latency["hop"] / latency["model_sample_rate"]
    hop = scene.rate * hop_ms / 1000.0
    stages = {"gather": percentiles_ms(heard.gather_s), **_server_stages(heard.seconds)}
    compute_ms = [one["compute_ms"]["p50"] for one in heard.seconds]
    return Result(
        scene=scene.title,
        prompt=prompt,
        understood=tuple(f"everything but {label}" if inverted else label for label in labels),
        seconds=mixture.shape[1] / scene.rate,
        model=f"{ready['model']} {ready['model_version']}",
        provider=ready["provider"],
        machine=_machine(),
        algorithmic_ms=latency["algorithmic_ms"],
        stages_ms=stages,
        arrival_ms=percentiles_ms(heard.arrival_s),
        first_hop_ms=round(1000.0 * heard.first_hop_s, 1),
        hops=round(target.shape[1] / hop),
        hops_while_playing=round(heard.while_playing / hop),
        late_hops=heard.ended["late_hops"],
        rtf=round(float(np.median(compute_ms)) / hop_ms, 4) if compute_ms else 0.0,
        si_sdr_before_db=None if reference is None else round(si_sdr_db(mixture, reference), 2),
        si_sdr_after_db=None if reference is None else round(si_sdr_db(target, reference), 2),
        sum_error=float(np.max(np.abs(target + residual - mixture))),
        files=files,
    )


def _server_stages(seconds: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """The server tells percentiles of each second: the median second's p50, the worst second's p95 and p99."""
    found: dict[str, dict[str, float]] = {}
    for stage in ("queue", "model", "stitch", "send"):
        told = [one["stages_ms"][stage] for one in seconds if stage in one.get("stages_ms", {})]
        if told:
            found[stage] = {
                "p50": round(float(np.median([one["p50"] for one in told])), 3),
                "p95": max(one["p95"] for one in told),
                "p99": max(one["p99"] for one in told),
            }
    return found


def _machine() -> str:
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
        cores = f"{sum(line.startswith('processor') for line in lines)} cores"
    except (OSError, StopIteration):
        cores = "cores unknown"
    # What else ran meanwhile belongs to every number above it.
    load = f"load average {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "load unknown"
    return f"{name}, {cores}, {load}, Python {platform.python_version()}"


# --- the table ------------------------------------------------------------------------------------------------------

_MEANINGS = {
    "gather": "until the hop's window is complete and sent",
    "queue": "waiting for its step",
    "model": "in the graph",
    "stitch": "FFT, overlap-add, residual",
    "send": "made → written to the socket",
}


def print_result(result: Result, console: Console | None = None) -> None:
    """The one table, with what was asked; then the files, one a line (whole: they are copied from there)."""
    console = console or Console()
    parts = Group(_latency_table(result), "", _result_table(result))
    console.print(
        Panel(parts, title="[bold]winnow demo[/bold]", title_align="left", border_style="cyan", padding=(1, 2))
    )
    for path in result.files:
        console.print(str(path), style="cyan", markup=False, highlight=False, soft_wrap=True)


def _latency_table(result: Result) -> Table:
    table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim")
    table.add_column("latency, ms")
    for part in _PARTS:
        table.add_column(part, justify="right")
    table.add_column("", style="dim")
    for stage, values in result.stages_ms.items():
        table.add_row(f"  {stage}", *(f"{values[part]:.2f}" for part in _PARTS), _MEANINGS[stage])
    arrival = (f"[bold]{result.arrival_ms[part]:.2f}[/bold]" for part in _PARTS)
    table.add_row("[bold]arrival[/bold]", *arrival, "first sample captured → hop received")
    table.add_row(
        "[bold]algorithmic[/bold]", f"[bold]{result.algorithmic_ms:.2f}[/bold]", "", "", "window + look-ahead"
    )
    return table


def _result_table(result: Result) -> Table:
    table = Table(box=None, padding=(0, 3, 0, 0), show_header=False)
    table.add_column()
    table.add_column(overflow="fold")
    table.add_row(
        "asked for", f"[bold]“{result.prompt}”[/bold]   [dim]understood: {', '.join(result.understood)}[/dim]"
    )
    if result.improvement_db is not None:
        change = f"{result.si_sdr_before_db:.2f} → {result.si_sdr_after_db:.2f} dB"
        table.add_row("SI-SDR", f"{change}   [bold green]{result.improvement_db:+.2f} dB[/bold green]")
    else:
        table.add_row("SI-SDR", "[dim]not measured: the scene has no stem of its own for this prompt[/dim]")
    table.add_row("|target + residual − input|", f"at most {result.sum_error:.1e}")
    colour = "green" if not result.late_hops else "yellow"
    table.add_row("late hops", f"[{colour}]{result.late_hops}[/{colour}]")
    share = f"{result.hops_while_playing} of {result.hops} hops came while the scene was still playing"
    table.add_row("live", f"{share}, the first after {result.first_hop_ms:.1f} ms")
    table.add_row("RTF", f"{result.rtf:.3f}   [dim]compute time over audio time[/dim]")
    table.add_row("scene", f"{result.scene}: {result.seconds:.1f} s in chunks of 10 ms, over a WebSocket on loopback")
    table.add_row("model", f"{result.model} on {result.provider}")
    table.add_row("machine", result.machine)
    return table
