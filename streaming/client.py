"""The Python SDK: sound in, isolated sound out, over one WebSocket in framed mode.

    async with LiveClient("ws://127.0.0.1:8000", prompt="man speaking", residual=True) as live:
        await live.send(samples)            # (channels, n) float32, any n, in real time
        async for hop in live:              # in another task
            play(hop.track, hop.pts, hop.samples)

A broken connection is made anew, with growing pauses and within `reconnect_s`, and the session goes on where it was:
what was on its way in either direction is sent again, from the last seconds. Where the session is gone (another server,
or one that was started again) a new one takes over from the first sample that was not answered, its first hop says
`discontinuity`, and `pts` goes on counting what was sent.

What is wished for meanwhile (`update`, `remove`) is told to the server once it is there again, in the order of asking.

Nothing waits for ever: connecting, sending, an update and the end each have a limit, and both directions are bounded.
Whoever does not read for long loses the connection, as with any other cause.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from types import TracebackType
from typing import Any, Self

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from engine.errors import BadInput, NoCapacity, WinnowError
from engine.frames import Samples
from engine.prompt import Target
from streaming.arrival import Captures
from streaming.client_connection import agree, authorization, open_socket
from streaming.client_hops import Hop, Totals
from streaming.client_question import Question
from streaming.client_receiving import Receiver
from streaming.client_sending import SEND_S, Sender
from streaming.client_wire import ConnectionLost, Disconnected, live_url, server_error, wire_target
from streaming.errors import Refusal
from streaming.media import Encoding, known_encoding

__all__ = ["ONLY_TARGET", "Disconnected", "Hop", "LiveClient", "Totals"]

ONLY_TARGET = "target"
"""Id of the target made from `prompt=`."""

_END_S = 15.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 2.0
_INBOX_MESSAGES = 1024


class LiveClient:
    """One live session; see the module. Make it inside a running event loop and enter it.

    Args:
        url: `ws://host:port`, `wss://…` or `http(s)://…`; the path `/v1/live` is added where there is none.
        prompt: one target in words; or
        targets: several.
        sample_rate: Hz of what is sent and received.
        channels: 1 or 2.
        encoding: of the samples on the wire.
        residual: also receive what is left.
        model: bundle name at the server.
        api_key: sent as `Authorization: Key …`; or
        token: a short-lived one, sent as `Authorization: Bearer …`.
        on_failure: `close`, or `pass` the input through when the engine fails.
        reconnect_s: how long to try after a lost connection; 0: not at all.
        on_event: called with every text message of the server.

    Raises:
        BadInput: neither or both of `prompt` and `targets`, or an argument out of range.
    """

    def __init__(
        self,
        url: str,
        *,
        prompt: str | None = None,
        targets: Sequence[Target] = (),
        sample_rate: int = 48000,
        channels: int = 1,
        encoding: str = "pcm_s16le",
        residual: bool = False,
        model: str = "default",
        api_key: str | None = None,
        token: str | None = None,
        on_failure: str = "close",
        reconnect_s: float = 30.0,
        on_event: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        if (prompt is None) == (not targets):
            raise BadInput("targets", "either prompt= or targets=", "both" if targets else "neither")
        wanted = targets or (Target(ONLY_TARGET, prompt or ""),)
        self._targets = {target.id: target for target in wanted}
        self._encoding: Encoding = known_encoding(encoding)
        self._url = live_url(url)
        self._rate, self._channels = sample_rate, channels
        self._residual, self._model, self._on_failure = residual, model, on_failure
        self._headers = authorization(api_key, token)
        self._reconnect_s = reconnect_s
        self._on_event = on_event
        self.started: dict[str, Any] = {}
        self.stats: dict[str, Any] = {}
        self.ended: dict[str, Any] = {}
        self.events: deque[dict[str, Any]] = deque(maxlen=256)
        self.totals = Totals()
        captures = Captures(sample_rate)
        self._receiver = Receiver(self._encoding, channels, captures, self.totals)
        self._sender = Sender(sample_rate, channels, self._encoding, captures, self.totals)
        self._reader: asyncio.Task[None] | None = None
        self._catching_up: asyncio.Task[None] | None = None
        self._hops: asyncio.Queue[Hop | None] = asyncio.Queue(_INBOX_MESSAGES)
        self._question = Question(self._say, self._connected)
        self._news = asyncio.Event()
        """There is a connection, or there will be none."""
        self._news.set()
        self._resumed: dict[str, Any] = {}
        self._failure: WinnowError | None = None
        self._ending = False
        self._end_said = False
        self._patience: asyncio.Timeout | None = None
        self._over = False

    # --- life -------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        """Connect and start.

        Raises:
            Disconnected: no server there.
            UnknownPrompt, NoCapacity, Refusal: it says no.
        """
        await self._open()
        self._reader = asyncio.create_task(self._run(), name="winnow live client")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Hang up without waiting for what is still to come; idempotent."""
        self._over = True
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)
        await self._hang_up()
        self._part()
        if self._hops.full():
            self._hops.get_nowait()
        self._hops.put_nowait(None)

    # --- sound ------------------------------------------------------------------------------------------------

    async def send(self, samples: Samples, captured_s: float | None = None) -> None:
        """Send `(channels, n)` float32, n as it comes; waits where the network does, but at most 5 s.

        Args:
            samples: sound that follows what was sent before.
            captured_s: `time.perf_counter` at which the last of it was captured; None: now.

        Raises:
            BadInput: another shape.
            WinnowError: the session is over.
        """
        if self._failure is not None:
            raise self._failure
        if self._ending or self._over:
            raise Disconnected("the session has ended")
        self._sender.add(samples, captured_s)
        await self._sender.send_on()

    def __aiter__(self) -> AsyncIterator[Hop]:
        return self

    async def __anext__(self) -> Hop:
        """The next hop of any track.

        Raises:
            WinnowError: the session failed; the same each time.
            StopAsyncIteration: it has ended.
        """
        hop = None if self._over and self._hops.empty() else await self._hops.get()
        if hop is not None:
            return hop
        self._over = True
        if self._failure is not None:
            raise self._failure
        raise StopAsyncIteration

    # --- wishes -----------------------------------------------------------------------------------------------

    async def update(self, targets: Sequence[Target]) -> dict[str, Any]:
        """Replace or add targets by id; gives the server's `updated`. While the connection is broken it waits.

        Raises:
            UnknownPrompt, NoCapacity, Refusal: it says no, and the session goes on as it was.
            Disconnected: no answer, and no connection in `reconnect_s`.
        """
        answer = await self._question.ask({"type": "update", "targets": [wire_target(one) for one in targets]})
        self._targets.update({target.id: target for target in targets})
        return answer

    async def remove(self, ids: Sequence[str]) -> dict[str, Any]:
        """End targets; gives the server's `updated`, or `resumed` where that was lost with the connection. While the
        connection is broken it waits.

        Raises:
            Refusal: it says no.
            Disconnected: no answer, and no connection in `reconnect_s`.
        """
        before = self._resumed
        try:
            answer = await self._question.ask({"type": "remove", "targets": list(ids)})
        except Refusal:
            # They were removed right before the connection broke, and were asked for again after it.
            answer = self._resumed
            if answer is before or any(target["id"] in ids for target in answer["targets"]):
                raise
        for name in ids:
            self._targets.pop(name, None)
        return answer

    async def flush(self) -> None:
        """Ask for what is buffered; the hops come as usual.

        Raises:
            Disconnected: no connection now.
        """
        await self._say({"type": "flush"})

    async def end(self) -> None:
        """Say that no more sound comes; the iterator gives what is left and stops."""
        self._ending = True
        if self._patience is not None:
            self._patience.reschedule(asyncio.get_running_loop().time() + _END_S)
        await self._say_end()

    async def _say_end(self) -> None:
        await self._sender.send_on()
        if self._sender.done and not self._end_said:
            with contextlib.suppress(Disconnected):  # it is said as soon as there is a connection again
                await self._say({"type": "end"})

    async def _say(self, message: dict[str, Any]) -> None:
        socket = self._sender.socket
        if socket is None:
            raise ConnectionLost("no connection now")
        self._end_said = self._end_said or message["type"] == "end"
        try:
            async with asyncio.timeout(SEND_S):
                await socket.send(json.dumps(message))
        except (TimeoutError, ConnectionClosed, OSError) as error:
            socket.transport.abort()  # whoever reads sees it, and connects anew
            self._lose(socket)
            raise ConnectionLost(f"the connection was lost: {error}") from error

    async def _connected(self) -> None:
        """Wait for a connection.

        Raises:
            WinnowError: there will be none.
        """
        await self._news.wait()
        if self._sender.socket is None:
            raise self._failure or Disconnected("the session has ended, or was never begun")

    def _lose(self, socket: ClientConnection) -> None:
        """The connection is gone; whoever reads makes another one."""
        if self._sender.socket is socket:
            self._sender.socket = None
            self._news.clear()
            self._question.give_up(ConnectionLost("the connection was lost"))

    def _part(self) -> None:
        """There will be no connection any more."""
        self._question.give_up(self._failure or Disconnected("the session has ended"))
        self._news.set()

    # --- the connection ---------------------------------------------------------------------------------------

    async def _open(self) -> None:
        socket = await open_socket(self._url, self._headers)
        answer = await agree(socket, self._start(), self._resume())
        if answer["type"] == "resumed":
            self.totals.resumes += 1
            self._sender.go_on(socket, int(answer["expects"]))
            self._receiver.learn(answer)
            self._resumed = answer
        else:
            self._begin(socket, answer)
        self._end_said = False
        self._news.set()
        self._hear(answer)
        if not self._sender.done or self._ending:
            # Beside the reading: what comes of it must not wait.
            self._catching_up = asyncio.create_task(self._say_end() if self._ending else self._sender.send_on())

    def _begin(self, socket: ClientConnection, started: dict[str, Any]) -> None:
        """A new session; another one's place is taken from the first sample that was not answered."""
        again = bool(self.started)
        self.started = started
        self._sender.begin(socket, self._receiver.answered)
        self._receiver.begin(started, self._sender.base, again)

    def _start(self) -> dict[str, Any]:
        audio = {"encoding": self._encoding, "sample_rate": self._rate, "channels": self._channels}
        return {
            "type": "start",
            "audio": audio,
            "video": None,
            "targets": [wire_target(target) for target in self._targets.values()],
            "return": ["target", "residual"] if self._residual else ["target"],
            "model": self._model,
            "stats": True,
            "on_failure": self._on_failure,
        }

    def _resume(self) -> dict[str, Any] | None:
        token = self.started.get("resume_token")
        if token is None:
            return None
        received = self._receiver.received
        return {"type": "resume", "token": token, "received": {str(key): pts for key, pts in received.items()}}

    async def _run(self) -> None:
        try:
            while not await self._read():
                await self._reconnect()
        except WinnowError as error:
            self._failure = error
        except Exception as error:
            # Whatever it is, the one who waits for hops must hear of it.
            self._failure = Disconnected(f"an answer could not be read: {error!r}")
        await self._hang_up()
        self._part()
        await self._hops.put(None)

    async def _read(self) -> bool:
        """Take messages until the connection ends; True if the session ended as agreed, False if it was lost.

        Raises:
            WinnowError: the server ended it with an error that trying again will not cure.
        """
        socket = self._sender.socket
        assert socket is not None
        last_error: dict[str, Any] | None = None
        try:
            while True:
                async with asyncio.timeout(_END_S if self._ending else None) as self._patience:
                    message = await socket.recv()
                self._patience = None
                if isinstance(message, bytes):
                    if (hop := self._receiver.receive(message, self._ending)) is not None:
                        await self._hops.put(hop)
                    continue
                event = json.loads(message)
                if event.get("type") == "error" and "close_code" in event:
                    last_error = event
                self._hear(event)
        except ConnectionClosed:
            self._lose(socket)
        except TimeoutError:
            self._lose(socket)
            socket.transport.abort()
            raise Disconnected(f"the server did not end within {_END_S:.0f} s") from None
        finally:
            self._patience = None
        if self.ended and self._ending:
            return True
        if last_error is not None and not last_error.get("retryable"):
            raise server_error(last_error)
        return False

    async def _reconnect(self) -> None:
        give_up_s = time.monotonic() + self._reconnect_s
        pause_s = _FIRST_PAUSE_S
        while True:
            if time.monotonic() + pause_s > give_up_s:
                raise Disconnected(f"the connection was lost, and none could be made in {self._reconnect_s:g} s")
            await asyncio.sleep(pause_s)
            try:
                await self._open()
                self.totals.reconnects += 1
                return
            except (Disconnected, NoCapacity):
                pass
            except Refusal as error:
                if not error.retryable:
                    raise
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _hear(self, event: dict[str, Any]) -> None:
        self.events.append(event)
        match event.get("type"):
            case "stats":
                self.stats = event
            case "ended":
                self.ended = event
            case "gap":
                self._receiver.miss(event)
            case "updated":
                self._receiver.learn(event)
                self._question.answer(event)
            case "pong":
                self._question.answer(event)
            case "error" if "close_code" not in event:
                self._question.answer(event)
        if self._on_event is not None:
            self._on_event(event)

    async def _hang_up(self) -> None:
        socket, self._sender.socket = self._sender.socket, None
        if self._catching_up is not None:
            self._catching_up.cancel()
            await asyncio.gather(self._catching_up, return_exceptions=True)
        if socket is not None:
            with contextlib.suppress(Exception):
                await socket.close()
