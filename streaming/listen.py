"""Listening to a running session without WebRTC: `GET /v1/live/ID?track=INDEX`, raw PCM over a WebSocket.

For a captioner beside whoever talks. What a listener is sent is sample-exact from the moment it joined; nothing is ever
left out, so one that does not read is closed instead (1008), and the session never waits for it.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from engine.resample import StreamResampler
from streaming.audience import HopFormat
from streaming.auth import check_origin, choose_subprotocol
from streaming.errors import BadMessage, Close, Refusal, draining, refusal_of
from streaming.live_server import LiveServer
from streaming.live_socket import LiveSocket, socket_of
from streaming.media import ENCODINGS, Encoding, encode_pcm
from streaming.messages import HIGHEST_RATE_HZ, LOWEST_RATE_HZ
from streaming.problem import Problem
from streaming.runner import Runner
from streaming.stream import Hop
from streaming.whep import track_of

_FIELDS = ("track", "encoding", "sample_rate")
_TEXT_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Want:
    """What the URL asks for; `sample_rate` None: the session's own."""

    track: str
    encoding: Encoding = "pcm_s16le"
    sample_rate: int | None = None


def read_want(query: str) -> Want:
    """What a query string asks for.

    Raises:
        BadMessage: a parameter is unknown, missing, comes twice, or is wrong; names it.
    """
    found: dict[str, Any] = {}
    for name, value in parse_qsl(query, keep_blank_values=True, max_num_fields=32, errors="replace"):
        if name not in _FIELDS or name in found:
            raise BadMessage(name[:80], f"one of {', '.join(_FIELDS)}, once", value)
        found[name] = value
    if "track" not in found:
        raise BadMessage("track", "the index of a track", "nothing")
    encoding = found.get("encoding", "pcm_s16le")
    if encoding not in ENCODINGS:
        raise BadMessage("encoding", " or ".join(ENCODINGS), encoding, close=Close.UNSUPPORTED_MEDIA)
    rate = found.pop("sample_rate", None)
    if rate is not None and not (
        rate.isascii() and rate.isdecimal() and len(rate) < 10 and LOWEST_RATE_HZ <= int(rate) <= HIGHEST_RATE_HZ
    ):
        raise BadMessage("sample_rate", f"a whole number from {LOWEST_RATE_HZ} to {HIGHEST_RATE_HZ}", rate)
    return Want(**found, sample_rate=None if rate is None else int(rate))


class RawEar:
    """One listener: an `Ear` of the session's audience, and the `Listener` of its socket.

    Args:
        socket: accepted.
        server: whose limits count.
    """

    def __init__(self, socket: LiveSocket, server: LiveServer) -> None:
        self._socket, self._settings, self._clock = socket, server.settings, server.clock
        self._over = asyncio.Event()
        self._waiting: deque[bytes] = deque()
        self._waiting_since_s = 0.0
        self._sent = 0
        self._resampler: StreamResampler | None = None
        self._format: HopFormat | None = None
        self._want = Want("")
        self._session: Runner | None = None
        self._track = 0

    # --- life -------------------------------------------------------------------------------------------------

    def begin(self, session: Runner, want: Want) -> None:
        """Listen to a session from now on.

        Raises:
            Refusal: it has no such track, or none yet.
        """
        audience = session.audience
        try:
            self._track = track_of(audience, want.track)
        except Problem as problem:
            retryable = problem.status == 409
            raise Refusal(problem.code, problem.detail, Close.BAD_MESSAGE, retryable=retryable) from None
        form = self._format = audience.format
        assert form is not None, "a session with tracks has a format"
        self._session, self._want = session, want
        rate = want.sample_rate or form.rate
        if rate != form.rate:
            self._resampler = StreamResampler(form.channels, form.rate, rate)
        self._socket.expect_output(rate * form.channels * (2 if want.encoding == "pcm_s16le" else 4))
        audio = {"encoding": want.encoding, "sample_rate": rate, "channels": form.channels}
        started = {"type": "started", "session": session.name, "audio": audio, "tracks": [audience.tracks[self._track]]}
        self._socket.write_text(json.dumps(started))
        audience.join(self._track, self)

    async def run(self) -> None:
        """Until the session or the connection is over."""
        try:
            await self._over.wait()
        finally:
            if self._session is not None:
                self._session.audience.leave(self._track, self)

    def refuse(self, error: BaseException) -> None:
        """Say why, and close."""
        if self._over.is_set():
            return
        refusal = refusal_of(error)
        self._socket.write_text(json.dumps(refusal.wire()))
        self._close(refusal.close)

    def _close(self, code: int) -> None:
        self._socket.finish(code)
        self._over.set()

    # --- what the session says --------------------------------------------------------------------------------

    def hear(self, hop: Hop) -> None:
        """The next hop."""
        form = self._format
        if self._over.is_set() or form is None:
            return
        samples = form.samples(hop)
        if self._resampler is not None:
            samples = self._resampler.push(samples)
        self._sent += samples.shape[1]
        if not samples.shape[1]:
            return
        message = encode_pcm(samples, self._want.encoding)[0]
        if self._socket.clear and not self._waiting:
            self._socket.write_binary((message,))
            return
        if not self._waiting:
            self._waiting_since_s = self._clock()
        self._waiting.append(message)
        if self._clock() - self._waiting_since_s > self._settings.slow_consumer_s:
            message_s = f"nothing was read for {self._settings.slow_consumer_s:g} s"
            self.refuse(Refusal("slow_consumer", message_s, Close.POLICY, retryable=True))

    def end(self) -> None:
        """The track is over."""
        if not self._over.is_set():
            while self._waiting:
                self._socket.write_binary((self._waiting.popleft(),))
            self._socket.write_text(json.dumps({"type": "ended", "samples_sent": self._sent}))
            self._close(Close.DONE)

    # --- what the socket says ---------------------------------------------------------------------------------

    def on_binary(self, payload: bytes) -> None:
        """A listener sends no sound."""
        self.refuse(BadMessage("message", "nothing but pings from a listener", f"{len(payload)} bytes"))

    def on_text(self, text: str) -> None:
        """`ping` is answered, `end` ends; nothing else is there to say."""
        try:
            kind = json.loads(text).get("type")
        except (ValueError, AttributeError, RecursionError):
            kind = None
        if kind == "ping":
            self._socket.write_text('{"type":"pong"}')
        elif kind == "end":
            self.end()
        else:
            self.refuse(BadMessage("type", "ping or end", text))

    def on_ping(self) -> None:
        """A sign of life; none is needed."""

    def on_too_large(self, length: int) -> None:
        """Too much for a listener."""
        self.refuse(BadMessage("message", f"at most {_TEXT_BYTES} bytes", f"{length} bytes", close=Close.TOO_LARGE))

    def on_bad_text(self) -> None:
        """Not UTF-8."""
        self.refuse(BadMessage("message", "UTF-8 text", "other bytes", close=Close.INVALID_TEXT))

    def on_shutdown(self) -> None:
        """The server stops."""
        self.refuse(draining(Close.DRAINING, self._settings.retry_after_s))

    def on_writable(self) -> None:
        """The listener has read something."""
        self._waiting_since_s = self._clock()
        while self._waiting and self._socket.clear:
            self._socket.write_binary((self._waiting.popleft(),))

    def on_lost(self) -> None:
        """The listener has gone."""
        self._over.set()


class ListenEndpoint:
    """`/v1/live/{session}` as an ASGI application.

    Args:
        server: whose sessions these are.
    """

    def __init__(self, server: LiveServer) -> None:
        self._server = server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection.

        Raises:
            RuntimeError: the ASGI server does not offer a `LiveSocket`.
        """
        socket = socket_of(scope)
        await receive()
        subprotocol, session, want, refusal = self._judge(scope)
        await send({"type": "websocket.accept", "subprotocol": subprotocol, "headers": []})
        ear = RawEar(socket, self._server)
        socket.attach(ear, _TEXT_BYTES)
        try:
            if refusal is not None or session is None:
                raise refusal or Refusal("no_session", "there is no such session", Close.BAD_MESSAGE)
            ear.begin(session, want)
        except Refusal as error:
            ear.refuse(error)
        await ear.run()

    def _judge(self, scope: Scope) -> tuple[str | None, Runner | None, Want, Refusal | None]:
        headers, offered = Headers(scope=scope), scope.get("subprotocols", ())
        settings, gate = self._server.settings, self._server.gate
        subprotocol = None
        want = Want("")
        try:
            subprotocol = choose_subprotocol(offered)
            check_origin(headers.get("origin"), headers.get("host"), settings.allowed_origins, keyless=not gate.keys)
            credentials = gate.judge("listen", headers.get("authorization"), offered)
            self._server.welcome()
            want = read_want(scope["query_string"].decode("latin-1"))
        except Refusal as refusal:
            return subprotocol, None, want, refusal
        runner = self._server.sessions.get(scope["path_params"]["session"].partition(".")[0])
        return subprotocol, runner if runner is not None and runner.key == credentials.key else None, want, None
