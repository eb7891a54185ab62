"""uvicorn's WebSocket protocol with a short way for live sound.

ASGI wraps every message in a dictionary, a queue and a task switch, hides pings and the socket's write buffer, and
pauses reading after each message. For one message every 10 ms and session that is most of what a server costs. So once
the endpoint has accepted, it *attaches* a listener to this object, and from then on

* whole binary frames are unmasked and handed over inside `data_received`;
* every other frame (text, fragments, pings, closes) goes through the `websockets` parser as before, one whole frame at
  a time, so that its checks stay in force;
* frames go out ready-made, in one write per tick, and the listener sees when the client does not read.

What this relies on in uvicorn and websockets is listed in tests/streaming/test_live_socket.py, which fails first if a
new version changes it.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import websockets.http11
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame, Opcode
from websockets.speedups import apply_mask

from streaming.frame_heads import WHOLE_BINARY, WHOLE_TEXT, binary_head, frame_head
from streaming.listener import Listener, Nobody

_EXTENSION = "winnow.socket"
"""Where the endpoint finds this object in the ASGI scope."""

_MASKED = 0x80
_CLOSE_WITHIN_S = 10.0
"""How long a client may take to answer our close frame before the connection is cut."""

_UNSENT_BYTES = 16 * 1024
"""The kernel takes at most this much that it has not sent yet (TCP_NOTSENT_LOWAT). What a client does not read then
waits in our outbox, where it is counted in milliseconds, and not in megabytes of socket buffer."""

_LEAST_HIGH_WATER_BYTES = 4 * 1024

_LONGEST_LINE_BYTES = 32 * 1024
"""A prompt of 2,000 characters in a URL: 4 bytes each in UTF-8, 3 characters each as %XX, and the rest."""

# The library's own limit, 8 KiB, can only be set for the whole process.
websockets.http11.MAX_LINE_LENGTH = max(websockets.http11.MAX_LINE_LENGTH, _LONGEST_LINE_BYTES)


class LiveSocket(WebSocketsSansIOProtocol):
    """See the module. Give it to uvicorn as `ws=LiveSocket`."""

    connecting = False
    _listener: Listener | None = None
    _limit = 0
    _rest = b""
    _skip = 0
    _direct = False
    _early = False
    _pong: bytes | None = None
    _ended = _goodbye = False

    # --- the endpoint's side ----------------------------------------------------------------------------------

    def handle_connect(self, event: Any) -> None:
        """uvicorn's, with this object in the scope before the application sees it."""
        super().handle_connect(event)
        if not self.close_sent:
            # The task that runs the application has been made, but has not begun.
            extensions: dict[str, Any] = {**(self.scope["extensions"] or {}), _EXTENSION: self}
            self.scope["extensions"] = extensions

    def attach(self, listener: Listener, limit_bytes: int) -> None:
        """Hand every message to `listener` from now on; call it right after accepting.

        Args:
            listener: told in the event loop's thread.
            limit_bytes: the route's limit for one message.
        """
        self._listener = listener
        self._limit = limit_bytes
        self.conn.max_message_size = limit_bytes
        # A client that sent frames before it was accepted may have left half of one in the parser: then all of its
        # connection goes through the parser.
        self._direct = not self._early
        # `call_soon` keeps what the application is about to do first (sending `error` or `started`).
        while not self.queue.empty():
            self._replay(self.queue.get_nowait())
        raw: socket.socket | None = self.transport.get_extra_info("socket")
        if raw is not None and hasattr(socket, "TCP_NOTSENT_LOWAT"):
            with contextlib.suppress(OSError):
                raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT_BYTES)
        self.resume_reading()

    def hand_to(self, listener: Listener) -> None:
        """From now on another listener is told."""
        if self._listener is not None:
            self._listener = listener

    def cut(self) -> None:
        """End the connection at once; nobody is told."""
        self.hand_to(Nobody())
        self.transport.abort()

    @property
    def broken(self) -> bool:
        """Of a lost connection: whether it ended without the client's close frame."""
        return not self._goodbye

    def expect_output(self, bytes_per_s: float) -> None:
        """Say how fast this socket will send, so that its own buffer holds no more than a tenth of a second."""
        if self.disconnected:
            return
        high = max(int(bytes_per_s / 10), _LEAST_HIGH_WATER_BYTES)
        self.transport.set_write_buffer_limits(high=high, low=high // 4)

    def _replay(self, event: Any) -> None:
        listener = self._listener
        if listener is None or event["type"] != "websocket.receive":
            return
        if event.get("bytes") is not None:
            self.loop.call_soon(listener.on_binary, event["bytes"])
        else:
            self.loop.call_soon(listener.on_text, event["text"])

    @property
    def carrier(self) -> Literal["websocket"]:
        """See `Link`."""
        return "websocket"

    @property
    def clear(self) -> bool:
        """Whether the write buffer is below its high-water mark."""
        return self.writable.is_set()

    def write_binary(self, messages: Iterable[bytes]) -> None:
        """Send whole binary messages in one write."""
        if self.close_sent or self.disconnected:
            return
        parts: list[bytes] = []
        for message in messages:
            parts.append(binary_head(len(message)))
            parts.append(message)
        self.transport.write(b"".join(parts))

    def write_text(self, text: str) -> None:
        """Send one text message."""
        if not self.close_sent and not self.disconnected:
            data = text.encode()
            self.transport.write(frame_head(WHOLE_TEXT, len(data)) + data)

    def pause_reading(self) -> None:
        """Let the client wait: its bytes stay in the network."""
        if not self.read_paused and not self.transport.is_closing():
            self.read_paused = True
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        if self.read_paused and not self.transport.is_closing():
            self.read_paused = False
            self.transport.resume_reading()

    def finish(self, code: int, reason: str = "") -> None:
        """Close: what was written goes first, then the close frame; whoever does not answer it is cut off."""
        if self.close_sent or self.disconnected:
            return
        if self._state_open:
            self.conn.send_close(code, reason)
            self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.resume_reading()
        # Not `transport.close`: with a client that never reads it would wait for its buffer for ever.
        self.close_timer = self.loop.call_later(_CLOSE_WITHIN_S, self.transport.abort)

    @property
    def _state_open(self) -> bool:
        return self.conn.close_sent is None and self.conn.parser_exc is None

    # --- asyncio's side ---------------------------------------------------------------------------------------

    def resume_writing(self) -> None:
        """The write buffer has room."""
        super().resume_writing()
        if self._pong is not None and not self.close_sent:
            pong, self._pong = self._pong, None
            self.transport.write(pong)
        if self._listener is not None:
            self._listener.on_writable()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        super().connection_lost(exc)
        if self._listener is not None:
            listener, self._listener = self._listener, None
            self._ended = True
            listener.on_lost()

    def shutdown(self) -> None:
        """uvicorn stops; a live session was told before (`app.LiveServer`), and is closing."""
        if self._listener is None:
            super().shutdown()
        else:
            self._listener.on_shutdown()
            self.finish(1001, "the server stops")  # whatever the listener was still waiting for

    def data_received(self, data: bytes) -> None:
        """Cut what arrived into frames and hand them on."""
        if self._listener is None:
            if not self._ended:
                self._shake_hands(data)
            return
        if not self._direct:
            self._parse(data)
            return
        if self._skip:
            cut = min(self._skip, len(data))
            self._skip -= cut
            data = data[cut:]
        if self._rest:
            data = self._rest + data
        self._rest = data[self._frames(data) :]

    def _shake_hands(self, data: bytes) -> None:
        """Everything up to the endpoint's answer is uvicorn's."""
        self._early = self.handshake_initiated
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            # uvicorn leaves a request that is no request (or too long a line) unanswered.
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.transport.close()

    def _frames(self, data: bytes) -> int:
        """Hand on every whole frame in `data`; the bytes used up."""
        at, end = 0, len(data)
        while end - at >= 2:
            first, second = data[at], data[at + 1]
            size, head = second & 0x7F, 6
            if size == 126:
                if end - at < 4:
                    break
                size, head = (data[at + 2] << 8) | data[at + 3], 8
            elif size == 127:
                if end - at < 10:
                    break
                size, head = int.from_bytes(data[at + 2 : at + 10], "big"), 14
            if not second & _MASKED:
                head -= 4
            stop = at + head + size
            if size > self._limit:
                at = self._oversized(size, stop, end)
                continue
            if stop > end:
                break
            if self.close_sent:
                self._after_close(first, data[at:stop])
            elif first == WHOLE_BINARY and second & _MASKED and self.conn.current_size is None:
                if self._listener is None:
                    return end
                start = at + head
                self._listener.on_binary(apply_mask(data[start:stop], data[start - 4 : start]))
            else:
                self._parse(data[at:stop])
            at = stop
        return at

    def _oversized(self, size: int, stop: int, end: int) -> int:
        """A frame over the limit: say so once, and skip its bytes without keeping them."""
        if not self.close_sent and self._listener is not None:
            self._listener.on_too_large(size)
        self._skip = max(stop - end, 0)
        return min(stop, end)

    def _after_close(self, first: int, frame: bytes) -> None:
        """Our close frame is out: only the client's answer matters."""
        if first & 0x0F == Opcode.CLOSE:
            self._goodbye = True
            self._hang_up()

    def _hang_up(self) -> None:
        if self.close_timer is not None:
            self.close_timer.cancel()
            self.close_timer = self.loop.call_later(_CLOSE_WITHIN_S, self.transport.abort)
        self.transport.close()

    def _parse(self, data: bytes) -> None:
        """Give bytes to the `websockets` parser and act on what it finds."""
        self.conn.receive_data(data)
        for event in self.conn.events_received():
            if isinstance(event, Frame):
                self._act(event)
        if self.conn.parser_exc is not None:
            self._fail()

    def _act(self, frame: Frame) -> None:
        listener = self._listener
        if listener is None:
            return
        match frame.opcode:
            case Opcode.CLOSE:
                self._answer_close()
            case _ if self.close_sent:
                return
            case Opcode.PING:
                self._answer_ping()
                listener.on_ping()
            case Opcode.TEXT | Opcode.BINARY:
                self.curr_msg_data_type = "text" if frame.opcode is Opcode.TEXT else "bytes"
                self.frames = [bytes(frame.data)]
                self._complete(frame)
            case Opcode.CONT:
                self.frames.append(bytes(frame.data))
                self._complete(frame)

    def _complete(self, frame: Frame) -> None:
        if not frame.fin or self._listener is None:
            return
        data, self.frames = b"".join(self.frames), []
        if self.curr_msg_data_type == "bytes":
            self._listener.on_binary(data)
            return
        try:
            text = data.decode()
        except UnicodeDecodeError:
            self._listener.on_bad_text()
            return
        self._listener.on_text(text)

    def _answer_ping(self) -> None:
        pong = b"".join(self.conn.data_to_send())
        if self.clear:
            self.transport.write(pong)
        else:
            # Only the newest ping needs an answer (RFC 6455, 5.5.3); a client that never reads cannot pile them up.
            self._pong = pong

    def _answer_close(self) -> None:
        """The client closes (or answers our close, on a connection that goes through the parser)."""
        self._goodbye = True
        answer = b"".join(self.conn.data_to_send())
        if not self.close_sent:
            self.transport.write(answer)
            self.close_sent = True
            self.close_timer = self.loop.call_later(_CLOSE_WITHIN_S, self.transport.abort)
        self._hang_up()

    def _fail(self) -> None:
        """The client broke the WebSocket protocol: the parser's close frame goes out, after our `error` where due."""
        failed = self.conn.close_sent
        if not self.close_sent and self._listener is not None and failed is not None and failed.code == 1009:
            self._listener.on_too_large(0)
        farewell = b"".join(part for part in self.conn.data_to_send() if part)
        if not self.disconnected:
            self.transport.write(farewell)
        self.close_sent = True
        # Reading goes on: to close with bytes unread would be a reset, and that may overtake the close frame.
        self.close_timer = self.loop.call_later(_CLOSE_WITHIN_S, self.transport.abort)


def socket_of(scope: Mapping[str, Any]) -> LiveSocket:
    """The connection of an ASGI scope.

    Raises:
        RuntimeError: the ASGI server does not offer a `LiveSocket`.
    """
    found = scope.get("extensions", {}).get(_EXTENSION)
    if not isinstance(found, LiveSocket):
        raise RuntimeError("/v1/live needs uvicorn with ws=streaming.live_socket.LiveSocket: start `winnow serve`")
    return found
