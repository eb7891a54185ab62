"""One session's half on the event loop: bounded inbox, bounded outbox, the clock's limits. The other half is `Stream`.

Per binary message in: one state check, one count, one append. Per tick out: one write. Nothing here waits for a client.

    reading stops while the engine has more than `inbox_s` to work on, or (raw mode) the client `outbox_ms` to read
"""

from __future__ import annotations

import json
import logging
import math
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from streaming.announcements import milliseconds, spread_ms
from streaming.attendance import Attendance
from streaming.errors import BadMessage, BadWish, Close, Refusal, draining, refusal_of, too_large
from streaming.link import Link
from streaming.messages import End, Flush, Ping, Remove, Resume, Start, Update, engine_targets, parse_text
from streaming.outbox import Outbox
from streaming.protocol import HEADER_BYTES, Event, SessionRequest, State, framed_request
from streaming.stream import Delivery, Stream
from streaming.tokens import Grant

if TYPE_CHECKING:
    from streaming.live_server import LiveServer

log = logging.getLogger("winnow.streaming.session")


class Runner(Attendance):
    """See the module. It is the `Listener` of its socket.

    Args:
        socket: accepted; messages are told to this runner.
        server: admits the session, owns the worker.
        key: short name of the client's API key.
        request: what the URL asks for, or None where a `start` will say it.
        grant: of the token that the client came with.
    """

    def __init__(
        self,
        socket: Link,
        server: LiveServer,
        key: str,
        request: SessionRequest | None,
        grant: Grant | None = None,
    ) -> None:
        super().__init__(socket, server, key, grant, "framed" if request is None else "raw")
        self._feed: Callable[[Any, float], None] = _nothing
        self._raw = request is not None
        self._largest_bytes = self._settings.message_bytes
        self._bytes_per_s = math.inf
        self._inbox_bytes = math.inf
        self._unread_bytes = 0
        self._backlog_bytes = 0.0
        self._sent_s: deque[float] = deque(maxlen=256)
        self._warned_after_end = False
        self._asked = request

    async def run(self) -> None:
        """Live until the session is over, or its connection and nobody can come back to it."""
        try:
            if self._asked is not None:
                self._begin(self._asked)
        except Exception as error:
            self.refuse(error)
        await self._attend()

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
        self._warn_after_end()

    def _warn_after_end(self) -> None:
        if not self._warned_after_end:
            self._warned_after_end = True
            self._tell({"type": "warning", "code": "after_end", "message": "what comes after 'end' is not used"})

    def _refuse_long(self, size: int) -> None:
        header = 0 if self._raw else HEADER_BYTES
        limit_s = self._settings.message_s
        expected = f"at most {self._largest_bytes - header} bytes ({limit_s:g} s of sound)"
        self.refuse(too_large("payload", expected, f"{size - header} bytes"))

    def on_text(self, text: str) -> None:
        """A message of the client."""
        self._heard = True
        if self._protocol.state is State.CLOSED:
            return
        try:
            self._obey(text)
        except BadWish as error:
            if self._stream is None or self._raw:
                self.refuse(error)
            else:
                self._tell(error.wire(closes=False))
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

    def on_shutdown(self) -> None:
        """The server stops, and this connection is still there."""
        self.refuse(draining(Close.DRAINING, self._settings.retry_after_s))
        self._close_up()

    def on_writable(self) -> None:
        """The client has read something."""
        self._moved_s = self._clock()
        self._drain_outbox()

    # --- the client's messages --------------------------------------------------------------------------------

    def _obey(self, text: str) -> None:
        message = parse_text(text)
        self._protocol.receive(Event(message.type))
        stream, now_s = self._stream, self._clock()
        match message:
            case Start():
                self._begin(framed_request(message))
            case Resume():
                self._claim(message)
            case Ping():
                self._tell({"type": "pong"})
            case End():
                self._end()
            case _ if stream is None:
                raise AssertionError("the table lets nothing else in before start")
            case _ if self._protocol.state is State.ENDING:
                self._warn_after_end()
            case Update():
                self._update(stream, message)
            case Remove():
                self._server.worker.change(stream, stream.remove, tuple(message.targets), now_s)
            case Flush():
                self._post(stream, stream.flush, None, now_s)

    def _update(self, stream: Stream, message: Update) -> None:
        try:
            targets = engine_targets(message.targets)
        except Refusal as refusal:
            self._tell(refusal.wire(closes=False))
            return
        self._server.worker.change(stream, stream.update, targets, self._clock())

    def _begin(self, request: SessionRequest) -> None:
        self._server.admit(self, request.model)
        settings = self._settings
        self.request = request
        self.audience.begin(request)
        self._bytes_per_s = request.audio.bytes_per_s
        self._inbox_bytes = int(settings.inbox_s * self._bytes_per_s)
        header = 0 if self._raw else HEADER_BYTES
        self._largest_bytes = min(settings.message_bytes, int(settings.message_s * self._bytes_per_s) + header)
        self._outbox = Outbox(request.output_rate, None if self._raw else settings.outbox_ms / 1000.0)
        self._expect_output()
        stream = self._stream = Stream(self.name, request, self._deliver, settings.retry_after_s)
        self._feed = stream.feed
        self._server.worker.open(stream, self._clock())
        self._running = True

    def _expect_output(self) -> None:
        request = self.request
        assert request is not None, "a session that begins"
        bytes_per_s = request.output_rate * request.audio.frame_bytes
        self.socket.expect_output(bytes_per_s * (request.target * len(request.targets) + request.residual))

    def _end(self) -> None:
        self._running = False
        # What comes now is dropped, and a connection that breaks is noticed.
        self.socket.resume_reading()
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
        if self._stream is None or (self._over.is_set() and not self.is_away):
            return
        self._unread_bytes -= delivery.taken_bytes
        self._backlog_bytes = delivery.backlog_s * self._bytes_per_s if delivery.backlog_s else 0.0
        for text in delivery.texts:
            if text["type"] == "resumed":
                self._answer_return(text)
            else:
                self._tell(self._completed(text))
        if delivery.hops:
            self.audience.hear(delivery.hops)
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
        outbox, socket, kept = self._outbox, self.socket, self._kept
        if kept is not None:
            for hop in delivery.hops:
                kept.journal.add(hop)
            if kept.absent:
                return
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
        if self._kept is not None and self._kept.absent:
            self._kept.hold(message)
        elif self.socket.clear and not self._outbox:
            self.socket.write_text(json.dumps(message, separators=(",", ":")))
        elif message["type"] != "stats" and not (self._outbox.crowded and message["type"] in ("activity", "warning")):
            if not self._outbox:
                self._moved_s = self._clock()
            self._outbox.add_text(message)
            if self._outbox.crowded:
                self.socket.pause_reading()

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
        if text["type"] == "updated":
            self.audience.learn(text)
        if text["type"] == "started":
            self._server.metrics.opened.inc()
            self.has_started = True
            text = {"type": "started", "session": self.name, "resume_token": self._keep(), **text}
            self.audience.learn(text)
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
    def _is_stuck(self) -> bool:
        return self._behind or self._outbox.crowded or self._farewell is not None

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
        kept = self._kept
        if kept is None or not kept.absent:
            self._drain_outbox()
            return
        self._retire()
        if not kept.away:
            self._replay(self._last_word)

    def _leave(self) -> None:
        assert self._farewell is not None, "there is something to say"
        texts, code = self._farewell
        for told in self._outbox.rest():
            self.socket.write_text(told)
        for text in texts:
            self.socket.write_text(json.dumps(text, separators=(",", ":")))
        self.socket.finish(code)
        if code == Close.DONE and self._kept is not None:
            # The client's close frame will say that it has everything.
            self._retire()
        else:
            self._close_up()

    def describe(self, now_s: float) -> dict[str, Any]:
        """An entry of `/v1/sessions`."""
        request = self.request
        return {
            "session": self.name,
            "mode": "raw" if self._raw else "framed" if self.socket.carrier == "websocket" else "webrtc",
            "state": "away" if self.is_away else self._protocol.state.value,
            "age_s": round(now_s - self.started_s, 3),
            "sample_rate": request.audio.sample_rate if request else None,
            "targets": len(request.targets) if request else 0,
            "dropped_hops": self._outbox.dropped_hops,
            "outbox_ms": round(1000.0 * self._outbox.seconds, 1),
        }


def _nothing(_: object, now_s: float) -> None:
    """Before the session has begun."""
