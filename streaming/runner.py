"""One session's half on the event loop: bounded inbox, bounded outbox, the clock's limits. The other half is `Stream`.

Per binary message in: one state check, one count, one append. Per tick out: one write. Nothing here waits for a client.

    reading stops while the engine has more than `inbox_s` to work on, or (raw mode) the client `outbox_ms` to read
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import secrets
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from streaming.announcements import milliseconds, spread_ms
from streaming.errors import BadMessage, Close, NotSupportedYet, Refusal, draining, refusal_of, too_large
from streaming.live_socket import LiveSocket
from streaming.messages import End, Flush, Ping, Remove, Resume, Start, Update, engine_targets, parse_text
from streaming.outbox import Outbox
from streaming.protocol import HEADER_BYTES, Event, Protocol, SessionRequest, State, framed_request
from streaming.stream import Delivery, Stream

if TYPE_CHECKING:
    from streaming.live_server import LiveServer

log = logging.getLogger("winnow.streaming.session")


class Runner:
    """See the module. It is the `Listener` of its socket.

    Args:
        socket: accepted; messages are told to this runner.
        server: admits the session, owns the worker.
        key: short name of the client's API key.
        request: what the URL asks for, or None where a `start` will say it.
    """

    def __init__(self, socket: LiveSocket, server: LiveServer, key: str, request: SessionRequest | None) -> None:
        self.name = secrets.token_urlsafe(9)
        self.key = key
        self.socket = socket
        self.request: SessionRequest | None = None
        self.started_s = server.clock()
        self._asked = request
        self._server, self._settings, self._clock = server, server.settings, server.clock
        self._post = server.worker.post
        self._protocol = Protocol("framed" if request is None else "raw")
        self._over = asyncio.Event()
        self._stream: Stream | None = None
        self._feed: Callable[[Any, float], None] = _nothing
        self._outbox = Outbox(48000, None)
        self._raw = request is not None
        self._running = False
        self._largest_bytes = self._settings.message_bytes
        self._bytes_per_s = math.inf
        self._inbox_bytes = math.inf
        self._unread_bytes = 0
        self._backlog_bytes = 0.0
        self._heard = True
        self._moved_s = self.started_s
        self._farewell: tuple[list[dict[str, Any]], int] | None = None
        self._sent_s: deque[float] = deque(maxlen=256)
        self._warned_after_end = False

    async def run(self) -> None:
        """Live until the session or the connection is over."""
        try:
            if self._asked is not None:
                self._begin(self._asked)
        except Exception as error:
            self.refuse(error)
        try:
            async with asyncio.TaskGroup() as tasks:
                timers = [tasks.create_task(self._watch()), tasks.create_task(self._ask_for_stats())]
                await self._over.wait()
                for timer in timers:
                    timer.cancel()
        finally:
            self._release()

    def _release(self) -> None:
        self._protocol.close()
        self._running = False
        self._over.set()
        self._server.release(self)
        if self._stream is not None:
            self._server.worker.close(self._stream, self._clock())
            self._stream = None
        self._outbox.clear()

    # --- what the socket tells --------------------------------------------------------------------------------

    def on_binary(self, payload: bytes) -> None:
        """Sound, on its way to the inference thread."""
        self._heard = True
        size = len(payload)
        if not self._running:
            self._unexpected_binary()
            return
        if not size and self._raw:
            return
        if size > self._largest_bytes:
            self._refuse_long(size)
            return
        self._unread_bytes += size
        assert self._stream is not None, "a running session has a stream"
        self._post(self._stream, self._feed, payload, self._clock())
        if self._unread_bytes + self._backlog_bytes > self._inbox_bytes:
            self._balance()

    def _unexpected_binary(self) -> None:
        if self._protocol.state is State.CLOSED:
            return
        try:
            self._protocol.receive(Event.BINARY)
        except Refusal as error:
            self.refuse(error)
            return
        if not self._warned_after_end:
            self._warned_after_end = True
            self._tell({"type": "warning", "code": "after_end", "message": "sound after 'end' is not used"})

    def _refuse_long(self, size: int) -> None:
        header = 0 if self._raw else HEADER_BYTES
        limit_s = self._settings.message_s
        self.refuse(too_large("payload", f"at most {limit_s:g} s of sound in a message",
                              f"{(size - header) / self._bytes_per_s:.2f} s"))  # fmt: skip

    def on_text(self, text: str) -> None:
        """A message of the client."""
        self._heard = True
        if self._protocol.state is State.CLOSED:
            return
        try:
            self._obey(text)
        except Exception as error:
            self.refuse(error)

    def on_ping(self) -> None:
        """A sign of life."""
        self._heard = True

    def on_too_large(self, length: int) -> None:
        """A message over the limit in bytes."""
        got = f"{length} bytes" if length else "more"
        self.refuse(too_large("message", f"at most {self._settings.message_bytes} bytes", got))

    def on_bad_text(self) -> None:
        """Text that is not UTF-8; RFC 6455 has a close code of its own for it."""
        self.refuse(BadMessage("message", "UTF-8 text", "other bytes", close=Close.INVALID_TEXT))

    def on_writable(self) -> None:
        """The client has read something."""
        self._moved_s = self._clock()
        self._drain_outbox()

    def on_lost(self) -> None:
        """The client has gone."""
        self._over.set()

    # --- the client's messages --------------------------------------------------------------------------------

    def _obey(self, text: str) -> None:
        message = parse_text(text)
        self._protocol.receive(Event(message.type))
        stream, now_s = self._stream, self._clock()
        match message:
            case Start():
                self._begin(framed_request(message))
            case Resume():
                raise NotSupportedYet("type", "resume", Close.BAD_MESSAGE)
            case Ping():
                self._tell({"type": "pong"})
            case End():
                self._end()
            case _ if stream is None:
                raise AssertionError("the table lets nothing else in before start")
            case Update():
                self._post(stream, stream.update, engine_targets(message.targets), now_s)
            case Remove():
                self._post(stream, stream.remove, tuple(message.targets), now_s)
            case Flush():
                self._post(stream, stream.flush, None, now_s)

    def _begin(self, request: SessionRequest) -> None:
        self._server.admit(self, request.model)
        settings = self._settings
        self.request = request
        self._bytes_per_s = request.audio.bytes_per_s
        self._inbox_bytes = int(settings.inbox_s * self._bytes_per_s)
        header = 0 if self._raw else HEADER_BYTES
        self._largest_bytes = min(settings.message_bytes, int(settings.message_s * self._bytes_per_s) + header)
        self._outbox = Outbox(request.output_rate, None if self._raw else settings.outbox_ms / 1000.0)
        out_bytes_per_s = request.output_rate * request.audio.frame_bytes
        self.socket.expect_output(out_bytes_per_s * (request.target * len(request.targets) + request.residual))
        stream = self._stream = Stream(self.name, request, self._deliver)
        self._feed = stream.feed
        self._server.worker.open(stream, self._clock())
        self._running = True

    def _end(self) -> None:
        self._running = False
        if self._stream is None:
            self._say_farewell([{"type": "ended", "audio_seconds": 0.0, "video_frames": 0, "late_hops": 0,
                                 "dropped_frames": 0}], Close.DONE)  # fmt: skip
            return
        self._post(self._stream, self._stream.end, None, self._clock())

    def drain(self) -> None:
        """The server is being stopped: tell it, flush, close 1001."""
        if self._protocol.state is State.CLOSED:
            return
        error = draining(Close.DRAINING, self._settings.retry_after_s)
        if self._stream is None:
            self.refuse(error)
            return
        if self._farewell is None:
            self._tell(error.wire())
            self._farewell = ([], Close.DRAINING)
            self._protocol.state = State.ENDING
            self._end()

    # --- what the worker delivers -----------------------------------------------------------------------------

    def _deliver(self, delivery: Delivery) -> None:
        if self._stream is None:
            return
        self._unread_bytes -= delivery.taken_bytes
        self._backlog_bytes = delivery.backlog_s * self._bytes_per_s if delivery.backlog_s else 0.0
        for text in delivery.texts:
            self._tell(self._completed(text))
        if delivery.hops:
            self._send(delivery)
        if delivery.refusal is not None:
            self.refuse(delivery.refusal)
        elif delivery.done:
            ended = {**self._stream.totals(), "dropped_frames": self._outbox.dropped_hops}
            code = self._farewell[1] if self._farewell is not None else Close.DONE
            self._say_farewell([ended], code)
        elif self._running and (self.socket.read_paused or self._outbox or self._backlog_bytes):
            self._balance()

    def _send(self, delivery: Delivery) -> None:
        outbox, socket = self._outbox, self.socket
        if socket.writable.is_set() and not outbox:
            socket.write_binary([outbox.numbered(hop) for hop in delivery.hops])
            sent_s = self._clock() - delivery.made_s
            self._sent_s.append(sent_s)
            self._server.metrics.sent(sent_s)
            return
        dropped = outbox.dropped_hops
        if not outbox:
            self._moved_s = self._clock()
        for hop in delivery.hops:
            outbox.add_hop(hop)
        if outbox.dropped_hops > dropped:
            self._server.metrics.dropped_hops.inc(outbox.dropped_hops - dropped)

    def _tell(self, message: dict[str, Any]) -> None:
        if self.socket.clear and not self._outbox:
            self.socket.write_text(json.dumps(message, separators=(",", ":")))
        elif message["type"] != "stats" and not (self._outbox.crowded and message["type"] in ("activity", "warning")):
            self._outbox.add_text(message)

    def _drain_outbox(self) -> None:
        outbox, socket = self._outbox, self.socket
        while socket.clear and (message := outbox.next()) is not None:
            if isinstance(message, str):
                socket.write_text(message)
            else:
                socket.write_binary((message,))
        if not outbox and self._farewell is not None and self._protocol.state is State.CLOSED:
            self._leave()
        elif self._running:
            self._balance()

    def _completed(self, text: dict[str, Any]) -> dict[str, Any]:
        """A message of the stream with what only the event loop knows."""
        if text["type"] == "started":
            self._server.metrics.opened.inc()
            return {"type": "started", "session": self.name, "resume_token": secrets.token_urlsafe(16), **text}
        if text["type"] == "stats":
            sending = spread_ms(list(self._sent_s))
            self._sent_s.clear()
            waiting_s = self._outbox.seconds + (self._unread_bytes + self._backlog_bytes) / self._bytes_per_s
            return {
                **text,
                "dropped_frames": self._outbox.dropped_hops,
                "queue_ms": milliseconds(waiting_s),
                "stages_ms": {**text["stages_ms"], "send": sending},
            }
        return text

    def _balance(self) -> None:
        """Read from the client, or let it wait."""
        unread = self._unread_bytes + self._backlog_bytes
        full = unread > self._inbox_bytes
        if self.socket.read_paused and not full:
            # Not before there is room again, or every message would pause and resume.
            full = unread > self._inbox_bytes / 2
        if full or self._outbox.crowded or self._behind:
            self.socket.pause_reading()
        else:
            self.socket.resume_reading()

    @property
    def _behind(self) -> bool:
        return self._raw and self._outbox.seconds > self._settings.outbox_ms / 1000.0

    # --- the end ----------------------------------------------------------------------------------------------

    def refuse(self, error: BaseException) -> None:
        """Tell an error and close; what still waits is not sent."""
        if self._protocol.state is State.CLOSED:
            return
        refusal = refusal_of(error)
        if refusal.code == "internal":
            log.error("session %s failed", self.name, exc_info=error)
        self._server.metrics.refused.labels(refusal.code).inc()
        self._outbox.clear()
        self._protocol.close()
        self._running = False
        self._farewell = ([refusal.wire()], refusal.close)
        self._leave()

    def _say_farewell(self, texts: list[dict[str, Any]], code: int) -> None:
        """Everything is out: send what waits, then `texts`, then close."""
        self._protocol.close()
        self._farewell = (texts, code)
        self._drain_outbox()

    def _leave(self) -> None:
        assert self._farewell is not None, "there is something to say"
        texts, code = self._farewell
        for told in self._outbox.rest():
            self.socket.write_text(told)
        for text in texts:
            self.socket.write_text(json.dumps(text, separators=(",", ":")))
        self.socket.finish(code)
        self._over.set()

    def describe(self, now_s: float) -> dict[str, Any]:
        """An entry of `/v1/sessions`."""
        request = self.request
        return {
            "session": self.name,
            "mode": "raw" if self._raw else "framed",
            "state": self._protocol.state.value,
            "age_s": round(now_s - self.started_s, 3),
            "sample_rate": request.audio.sample_rate if request else None,
            "targets": len(request.targets) if request else 0,
            "dropped_hops": self._outbox.dropped_hops,
            "outbox_ms": round(1000.0 * self._outbox.seconds, 1),
        }

    # --- the clock's limits -----------------------------------------------------------------------------------

    async def _watch(self) -> None:
        settings = self._settings
        tick_s = min(1.0, settings.idle_s / 4, settings.slow_consumer_s / 4)
        heard_s = self._clock()
        while True:
            await asyncio.sleep(tick_s)
            now_s = self._clock()
            # Whoever is made to wait by us is not idle; whoever has said `end` need not speak any more.
            if self._heard or self.socket.read_paused or self._protocol.state is State.ENDING:
                self._heard = False
                heard_s = now_s
            if now_s - heard_s > settings.idle_s:
                self.refuse(_timed_out("idle", f"nothing was heard for {settings.idle_s:g} s"))
            elif settings.max_session_s is not None and now_s - self.started_s > settings.max_session_s:
                self.refuse(_timed_out("over_time", f"a session may last {settings.max_session_s:g} s"))
            elif self._stalled(now_s):
                self.slow_consumer()

    def _stalled(self, now_s: float) -> bool:
        if not self._outbox or now_s - self._moved_s <= self._settings.slow_consumer_s:
            return False
        return self._behind or self._farewell is not None

    def slow_consumer(self) -> None:
        """The client has not read for too long, and nothing may be dropped."""
        limit_s = self._settings.slow_consumer_s
        # Even where the farewell was waiting for the outbox.
        self._protocol.state = State.ENDING
        self.refuse(Refusal("slow_consumer", f"nothing was read for {limit_s:g} s", Close.POLICY, retryable=True))

    async def _ask_for_stats(self) -> None:
        while True:
            await asyncio.sleep(self._settings.stats_s)
            stream = self._stream
            if stream is not None and stream.request.stats:
                self._post(stream, stream.tell_stats, None, self._clock())


def _timed_out(code: str, message: str) -> Refusal:
    return Refusal(code, message, Close.TIMED_OUT, retryable=True)


def _nothing(_: object, now_s: float) -> None:
    """Before the session has begun."""
