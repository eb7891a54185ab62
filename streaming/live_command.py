"""What `winnow live` does with its flags: open the source, choose the mode, tell what happens."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rich.markup import escape

from engine.errors import BadInput
from streaming.arrival import percentiles_ms
from streaming.live_ends import (
    MICROPHONE,
    PIPE,
    SPEAKER,
    FileSource,
    MicrophoneSource,
    PipeSource,
    Sink,
    Source,
    open_sink,
    output_kind,
)
from streaming.live_pipe import Wish, run_framed, run_raw
from streaming.media import known_encoding
from streaming.media_reading import open_audio


@dataclass(frozen=True, slots=True)
class LiveOrder:
    """The flags of `winnow live`, as given."""

    server: str
    prompts: tuple[str, ...]
    input: str
    output: str
    track: Literal["target", "residual"]
    raw: bool
    sample_rate: int
    channels: int
    encoding: str
    model: str
    api_key: str | None
    token: str | None = None


def run_live(order: LiveOrder, tell: Callable[[str], None] | None) -> dict[str, Any]:
    """Run until the input ends or Ctrl-C.

    Args:
        order: the flags.
        tell: takes a line for the user, in Rich's markup, or None to be silent.

    Returns:
        Totals: samples sent and lost, hops, reconnects, arrival latency (None in raw mode, where nothing says when a
        sample was sent); of a pipe also the bytes at its end that are no whole sample.

    Raises:
        BadInput: a flag; nothing was opened.
        WinnowError: the server says no, or is not there.
        OutputError: the disk refuses.
    """
    _check(order)
    with _opened_source(order) as source:
        wish = Wish(
            url=order.server,
            prompt=order.prompts[0],
            track=order.track,
            # A file may have been written at more than 16 bits: floats lose nothing of it.
            encoding=order.encoding if PIPE in (order.input, order.output) else "pcm_f32le",
            model=order.model,
            api_key=order.api_key,
            token=order.token,
            on_event=_teller(tell),
        )

        def sink() -> Sink:
            return open_sink(order.output, source.rate, source.channels, order.encoding)

        totals = asyncio.run((run_raw if order.raw else run_framed)(wish, source, sink))
    found = {
        "sent_s": round(totals.sent_samples / source.rate, 3),
        "lost_samples": totals.lost_samples,
        "reconnects": totals.reconnects,
        "hops": totals.hops,
        "arrival_ms": percentiles_ms(totals.arrival_s) if totals.arrival_s else None,
    }
    if isinstance(source, PipeSource):
        found["left_over_bytes"] = source.left_over
    if tell is not None:
        tell(_summary(order, found))
        if extra := found.get("left_over_bytes"):
            tell(f"bytes at the input's end that make no whole sample: {extra}; is it {order.encoding} with "
                 f"{order.channels} channel{'s' * (order.channels > 1)}?")  # fmt: skip
    return found


def _check(order: LiveOrder) -> None:
    if order.api_key is not None and order.token is not None:
        raise BadInput("token_file", "none beside an API key: one of the two", "both")
    known_encoding(order.encoding)
    if len(order.prompts) != 1:
        # Not joined by "and": one "everything but …" among them would turn all of them round.
        raise BadInput("prompt", 'one for the one stream that comes out, such as "dog and siren"', list(order.prompts))
    if not order.prompts[0].strip():
        raise BadInput("prompt", "a few words", order.prompts[0])
    if order.output not in (PIPE, SPEAKER):
        output_kind(Path(order.output))
        if not Path(order.output).parent.is_dir():
            raise BadInput("output", "a file in a folder that is there", order.output)
        if order.input not in (PIPE, MICROPHONE) and Path(order.output).resolve() == Path(order.input).resolve():
            raise BadInput("output", "another file than the input", order.output)


@contextmanager
def _opened_source(order: LiveOrder) -> Iterator[Source]:
    if order.input == PIPE:
        yield PipeSource(sys.stdin.fileno(), order.sample_rate, order.channels, order.encoding)
    elif order.input == MICROPHONE:
        yield MicrophoneSource(order.sample_rate, order.channels)
    else:
        with open_audio(order.input) as file:
            yield FileSource(file)


def _teller(tell: Callable[[str], None] | None) -> Callable[[dict[str, Any]], None] | None:
    if tell is None:
        return None

    def heard(event: dict[str, Any]) -> None:
        match event.get("type"):
            case "started":
                latency = event.get("latency", {}).get("algorithmic_ms")
                tell(f"listening ({latency} ms algorithmic latency); Ctrl-C ends")
            case "warning":
                tell(f"[yellow]warning:[/yellow] {escape(str(event.get('message')))}")
            case "gap":
                tell(f"[yellow]lost:[/yellow] samples {event.get('from')} to {event.get('to')}")

    return heard


def _summary(order: LiveOrder, found: dict[str, Any]) -> str:
    arrival = found["arrival_ms"]
    delay = f", arrival p50 {arrival['p50']:.1f} ms, p99 {arrival['p99']:.1f} ms" if arrival is not None else ""
    lost = f", {found['reconnects']} reconnects, {found['lost_samples']} samples lost" if found["reconnects"] else ""
    return f"{order.track}: {found['sent_s']:.1f} s{delay}{lost} → {escape(order.output)}"
