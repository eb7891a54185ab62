"""The wire protocol `winnow.v1` without any I/O: what may come when, the query of raw mode, the binary header.

    connection ──► FRAMED ──start──► RUNNING ──end──► ENDING ──► CLOSED
              └──────────────prompt in the URL──► RUNNING

`MOVES` is the whole state machine. PROTOCOL.md says the same in words.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal, NamedTuple
from urllib.parse import parse_qsl

from engine.prompt import Target
from streaming.errors import BadMessage, Close, NotSupportedYet
from streaming.media import ENCODINGS
from streaming.messages import HIGHEST_RATE_HZ, LOWEST_RATE_HZ, AudioFormat, Start, engine_targets


class State(Enum):
    """Where a connection stands."""

    FRAMED = "waiting for start"
    RUNNING = "running"
    ENDING = "ending"
    CLOSED = "closed"


class Event(Enum):
    """What a client can do; the values are the message types."""

    START = "start"
    RESUME = "resume"
    UPDATE = "update"
    REMOVE = "remove"
    FLUSH = "flush"
    PING = "ping"
    END = "end"
    BINARY = "a binary message"


Mode = Literal["raw", "framed"]

MOVES: Final[dict[Mode, dict[State, dict[Event, State]]]] = {
    "framed": {
        State.FRAMED: {Event.START: State.RUNNING, Event.RESUME: State.FRAMED, Event.PING: State.FRAMED,
                       Event.END: State.ENDING},
        State.RUNNING: {Event.BINARY: State.RUNNING, Event.UPDATE: State.RUNNING, Event.REMOVE: State.RUNNING,
                        Event.FLUSH: State.RUNNING, Event.PING: State.RUNNING, Event.END: State.ENDING},
        # What was on its way when the client said `end`, or the server began to drain, is no mistake: it is let in and
        # dropped.
        State.ENDING: {Event.BINARY: State.ENDING, Event.UPDATE: State.ENDING, Event.REMOVE: State.ENDING,
                       Event.FLUSH: State.ENDING, Event.PING: State.ENDING, Event.END: State.ENDING},
        State.CLOSED: {},
    },
    "raw": {
        State.RUNNING: {Event.BINARY: State.RUNNING, Event.FLUSH: State.RUNNING, Event.PING: State.RUNNING,
                        Event.END: State.ENDING},
        State.ENDING: {Event.BINARY: State.ENDING, Event.FLUSH: State.ENDING, Event.PING: State.ENDING,
                       Event.END: State.ENDING},
        State.CLOSED: {},
    },
}  # fmt: skip
"""Mode → state → event → next state; what is not in it is a bad message."""


class Protocol:
    """The state of one connection.

    Args:
        mode: `raw` where the URL carried a prompt.
    """

    __slots__ = ("_moves", "state")

    def __init__(self, mode: Mode) -> None:
        self._moves = MOVES[mode]
        self.state = State.RUNNING if mode == "raw" else State.FRAMED

    def receive(self, event: Event) -> State:
        """Move on; the new state.

        Raises:
            BadMessage: the event may not happen now; the state is as before.
        """
        allowed = self._moves[self.state]
        if event not in allowed:
            expected = ", ".join(one.value for one in allowed) or "nothing"
            if self.state is State.FRAMED and event is Event.BINARY:
                expected += " (raw mode has its prompt in the URL: ?prompt=…)"
            raise BadMessage("type", f"{expected} while {self.state.value}", event.value)
        self.state = allowed[event]
        return self.state

    def close(self) -> None:
        """Nothing may come any more."""
        self.state = State.CLOSED


@dataclass(frozen=True, slots=True)
class SessionRequest:
    """What a client asks for, of either mode, parsed and supported.

    Attributes:
        mode: `raw` or `framed`.
        audio: format in, and out but for the rate.
        output_rate: Hz of what goes out.
        targets: at least one.
        target, residual: which tracks go out.
        model: bundle name.
        stats: whether `stats` is told each second.
        on_failure: see the contract.
    """

    mode: Mode
    audio: AudioFormat
    output_rate: int
    targets: tuple[Target, ...]
    target: bool
    residual: bool
    model: str = "default"
    stats: bool = True
    on_failure: Literal["close", "pass"] = "close"


def framed_request(start: Start) -> SessionRequest:
    """The request in a `start`.

    Raises:
        NotSupportedYet: it asks for pictures.
        BadMessage: a target is wrong, or there is neither audio nor video.
    """
    if start.video is not None:
        raise NotSupportedYet("video", "video")
    if start.audio is None:
        raise BadMessage("audio", "an audio format (audio and video may not both be null)", "null")
    for picture in ("video", "mask"):
        if picture in start.returns:
            raise NotSupportedYet("return", f"returning {picture}")
    return SessionRequest(
        mode="framed",
        audio=start.audio,
        output_rate=start.audio.sample_rate,
        targets=engine_targets(start.targets),
        target="target" in start.returns,
        residual="residual" in start.returns,
        model=start.model,
        stats=start.stats,
        on_failure=start.on_failure,
    )


RAW_TARGET = "target"
"""Id of the one target of raw mode."""

RAW_FIELDS = (
    "prompt", "sample_rate", "encoding", "channels", "output", "model", "output_sample_rate"
)  # fmt: skip


MOST_PARAMETERS = 32


def parse_query(query: str) -> SessionRequest | None:
    """The raw session that a query string asks for, or None for framed mode (no `prompt` in it).

    Raises:
        BadMessage: a parameter is unknown, comes twice, or is wrong; names it.
    """
    found: dict[str, str] = {}
    # Counted here: `parse_qsl` would raise an error that names nothing.
    if query.count("&") >= MOST_PARAMETERS:
        raise BadMessage("query", f"fewer than {MOST_PARAMETERS} parameters", query)
    for name, value in parse_qsl(query, keep_blank_values=True, errors="replace"):
        if name not in RAW_FIELDS:
            raise BadMessage(name[:80], f"one of {', '.join(RAW_FIELDS)}", value)
        if name in found:
            raise BadMessage(name, "one value", "several")
        found[name] = value
    if "prompt" not in found:
        return None
    encoding = found.get("encoding", "pcm_s16le")
    if encoding not in ENCODINGS:
        raise BadMessage("encoding", " or ".join(ENCODINGS), encoding, close=Close.UNSUPPORTED_MEDIA)
    output = found.get("output", "target")
    if output not in ("target", "residual"):
        raise BadMessage("output", "target or residual", output)
    rate = _whole(found, "sample_rate", 48000, LOWEST_RATE_HZ, HIGHEST_RATE_HZ)
    return SessionRequest(
        mode="raw",
        audio=AudioFormat(
            encoding="pcm_f32le" if encoding == "pcm_f32le" else "pcm_s16le",
            sample_rate=rate,
            channels=_whole(found, "channels", 1, 1, 2),
        ),
        output_rate=_whole(found, "output_sample_rate", rate, LOWEST_RATE_HZ, HIGHEST_RATE_HZ),
        targets=(Target(id=RAW_TARGET, prompt=found["prompt"]),),
        target=output == "target",
        residual=output == "residual",
        model=found.get("model", "default"),
    )


def _whole(found: dict[str, str], name: str, default: int, low: int, high: int) -> int:
    value = found.get(name)
    if value is None:
        return default
    # `isdecimal` alone would let other scripts' digits through, and int() underscores and signs.
    number = int(value) if value.isascii() and value.isdecimal() and len(value) < 10 else -1
    if not low <= number <= high:
        raise BadMessage(name, f"a whole number from {low} to {high}", value)
    return number


# --- the binary header ------------------------------------------------------------------------------------------

HEADER = struct.Struct("<BBBBIq")
"""version, kind, track, flags, sequence, pts."""

HEADER_BYTES = HEADER.size
FLAGS_OFFSET, SEQUENCE_OFFSET = 3, 4
VERSION = 1
AUDIO, VIDEO, MASK = 0, 1, 2
FLAG_LAST, FLAG_DISCONTINUITY = 1, 2
_SEQUENCES = 1 << 32


class Header(NamedTuple):
    """The header of a binary message of framed mode."""

    kind: int
    track: int
    flags: int
    sequence: int
    pts: int


def pack_header(track: int, flags: int, sequence: int, pts: int, kind: int = AUDIO) -> bytes:
    """16 bytes; the sequence wraps."""
    return HEADER.pack(VERSION, kind, track, flags, sequence % _SEQUENCES, pts)


def unpack_header(message: bytes) -> Header:
    """The header of a binary message, from either side.

    Raises:
        BadMessage: it is cut short, or of another version or kind.
    """
    if len(message) < HEADER_BYTES:
        raise BadMessage("header", f"{HEADER_BYTES} bytes", f"{len(message)} bytes")
    version, kind, track, flags, sequence, pts = HEADER.unpack_from(message)
    if version != VERSION:
        raise BadMessage("header.version", str(VERSION), version)
    if kind > MASK:
        raise BadMessage("header.kind", "0 (audio)", kind)
    return Header(kind, track, flags, sequence, pts)


PTS_LIMIT = 1 << 48
"""An input pts must lie below: 46 years at 192 kHz, and far enough from 64 bits to be counted at any output rate."""


def check_input(header: Header, payload_bytes: int, frame_bytes: int) -> None:
    """Judge what a client sent as sound.

    Raises:
        NotSupportedYet: it is a picture.
        BadMessage: not on track 0, a pts below 0 or out of all reason, or not whole samples.
    """
    if header.kind != AUDIO:
        raise NotSupportedYet("header.kind", "video")
    if header.track != 0:
        raise BadMessage("header.track", "0", header.track)
    if not 0 <= header.pts < PTS_LIMIT:
        raise BadMessage("header.pts", f"0 or more and below {PTS_LIMIT}", header.pts)
    if payload_bytes % frame_bytes:
        raise BadMessage("payload", f"a multiple of {frame_bytes} bytes", f"{payload_bytes} bytes")
