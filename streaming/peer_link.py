"""A peer connection as its session sees it: texts over the data channel, sound from and to the RTP side.

To the `Runner` this is a connection like a WebSocket in framed mode: sound arrives as float PCM with a header, texts
are those of `winnow.v1`. Only the words that speak of PCM are translated.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Literal

from aiortc import RTCDataChannel

from engine.frames import Samples
from streaming.errors import BadMessage, NotSupportedYet
from streaming.problem import Problem, problem_of
from streaming.protocol import pack_header
from streaming.runner import Runner

LABEL = "winnow.v1"
RATE = 48_000
_LONGEST_PIECE = RATE // 2
_MOST_WAITING = 64
"""Texts kept until the peer has opened its data channel."""
_CROWDED_BYTES = 64 * 1024
"""Over this a peer does not read its data channel: what can be missed is not sent any more."""
_CHANNEL_BYTES = 1024 * 1024
_MISSABLE = ("stats", "activity", "warning")

Complete = Callable[[dict[str, Any]], dict[str, Any]]


class PeerLink:
    """See the module; a `Link`.

    Args:
        channels: of the sound, both ways.
        message_bytes: a longer text is refused.
        complete: a text on its way out, with what only the peer's side knows.
        finished: told once that the session is over and everything was said.
    """

    def __init__(self, channels: int, message_bytes: int, complete: Complete, finished: Callable[[], None]) -> None:
        self.read_paused = False
        self.connecting = True
        self.writable = asyncio.Event()
        self.writable.set()
        self.begun = False
        """Whether the session was asked for: sound that comes before is not wanted yet."""
        self.started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when the session runs; its exception is the `Problem` why it does not."""
        self.error: dict[str, Any] | None = None
        """The `error` that ended the session."""
        self.heard_s = asyncio.get_running_loop().time()
        """When the peer last said something in words."""
        self._channels, self._message_bytes = channels, message_bytes
        self._complete, self._finished = complete, finished
        self._runner: Runner | None = None
        self._channel: RTCDataChannel | None = None
        self._waiting: deque[str] = deque(maxlen=_MOST_WAITING)
        self._over = False

    def attach(self, runner: Runner) -> None:
        """Whose link this is."""
        self._runner = runner

    # --- from the peer ----------------------------------------------------------------------------------------

    def begin(self, start: dict[str, Any]) -> None:
        """Ask for a session in the peer's name: a `start` without `audio`."""
        self.begun = True
        audio = {"encoding": "pcm_f32le", "sample_rate": RATE, "channels": self._channels}
        self._say(json.dumps({**start, "audio": audio}))

    def hear(self, samples: Samples, pts: int) -> None:
        """Sound of the peer: `(channels, n)` at 48 kHz from `pts` on."""
        if samples.shape[1] > _LONGEST_PIECE:
            return  # made up in one go after a long silence: the session fills the gap, or begins anew behind it
        # A peer cannot be made to wait: what comes while the engine is behind is missing, and filled by the session.
        if self.begun and not self.read_paused and not self._over and self._runner is not None:
            self._runner.on_binary(pack_header(0, 0, 0, pts) + samples.T.astype("<f4", copy=False).tobytes())

    def open_channel(self, channel: RTCDataChannel) -> None:
        """The peer has opened a data channel; only the first with our label is used."""
        if channel.label != LABEL or self._channel is not None or self._over:
            channel.close()
            return
        self._channel = channel
        channel.on("message", self._on_message)
        while self._waiting:
            self._send(self._waiting.popleft())

    def _on_message(self, message: str | bytes) -> None:
        runner = self._runner
        if runner is None or self._over:
            return
        self.heard_s = asyncio.get_running_loop().time()
        if isinstance(message, bytes):
            runner.refuse(BadMessage("message", "text (sound goes over RTP)", f"{len(message)} bytes"))
        elif len(message) > self._message_bytes:
            runner.on_too_large(len(message))
        elif self.begun or not self._is_start(message):
            self._say(message)

    def _is_start(self, text: str) -> bool:
        """Whether it was the `start`; then the session was asked for with our own audio format in it."""
        try:
            message = json.loads(text)
        except (ValueError, RecursionError):
            return False
        kind = message.get("type") if isinstance(message, dict) else None
        if kind == "resume" and self._runner is not None:
            self._runner.refuse(NotSupportedYet("type", "resume over WebRTC (publish again)"))
        elif kind == "start":
            self.begin(message)
        return kind in ("start", "resume")

    def _say(self, text: str) -> None:
        if self._runner is not None:
            self._runner.on_text(text)

    # --- to the peer (what a `Runner` calls) --------------------------------------------------------------------

    @property
    def carrier(self) -> Literal["webrtc"]:
        """See `Link`."""
        return "webrtc"

    @property
    def clear(self) -> bool:
        """Always: what a peer does not read is dropped here, not held up."""
        return True

    def expect_output(self, bytes_per_s: float) -> None:
        """Of no concern here."""

    def write_binary(self, messages: Iterable[bytes]) -> None:
        """Sound goes to the peer through the session's audience, coded once for all who listen."""

    def write_text(self, text: str) -> None:
        """Send one text message."""
        message = self._complete(json.loads(text))
        kind = message["type"]
        if kind == "started":
            channels = self._channels
            message["audio"] = {**message["audio"], "encoding": "opus", "sample_rate": RATE, "channels": channels}
            self._settle(None)
        elif kind == "error" and "close_code" in message:
            self.error = message
            self._settle(problem_of(message))
        if kind in _MISSABLE and self._is_crowded:
            return
        self._send(json.dumps(message, separators=(",", ":")))

    @property
    def _is_crowded(self) -> bool:
        return self._channel is not None and self._channel.bufferedAmount > _CROWDED_BYTES

    def _send(self, text: str) -> None:
        channel = self._channel
        if channel is None:
            self._waiting.append(text)
        elif channel.readyState == "open" and channel.bufferedAmount < _CHANNEL_BYTES:
            channel.send(text)

    @property
    def said(self) -> bool:
        """Whether the peer has everything that was sent, as far as its data channel tells."""
        channel = self._channel
        return channel is None or channel.readyState != "open" or not channel.bufferedAmount

    def pause_reading(self) -> None:
        """The engine is behind."""
        self.read_paused = True

    def resume_reading(self) -> None:
        """Read on."""
        self.read_paused = False

    def finish(self, code: int, reason: str = "") -> None:
        """The session is over."""
        if not self._over:
            self._over = True
            self._settle(Problem(500, "internal", "the session ended before it started"))
            self._finished()

    def _settle(self, problem: Problem | None) -> None:
        if self.started.done():
            return
        if problem is None:
            self.started.set_result(None)
        else:
            self.started.set_exception(problem)
            # Where nobody waits for it (a `start` over the data channel) that is no mistake.
            self.started.exception()
