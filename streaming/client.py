"""The Python SDK: sound in, isolated sound out, over one WebSocket in framed mode.

    async with LiveClient("ws://127.0.0.1:8000", prompt="man speaking", residual=True) as live:
        await live.send(samples)            # (channels, n) float32, any n, in real time
        async for hop in live:              # in another task
            play(hop.track, hop.pts, hop.samples)

A broken connection is replaced by a new session, with growing pauses and within `reconnect_s`: the sound that was on
its way is lost, `pts` goes on counting what was sent, and the first hop after it says `discontinuity`. Nothing waits
for ever: connecting, sending, an update and the end each have a limit, and both directions are bounded. Whoever does
not read for long loses the connection, as with any other cause.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from engine.errors import BadInput, NoCapacity, WinnowError
from engine.frames import Samples
from engine.prompt import Target
from streaming.arrival import Captures
from streaming.auth import SUBPROTOCOL
from streaming.client_wire import Disconnected, closed_error, live_url, server_error, wire_target
from streaming.errors import Refusal
from streaming.media import Encoding, PcmDecoder, encode_pcm, known_encoding
from streaming.protocol import FLAG_DISCONTINUITY, FLAG_LAST, HEADER_BYTES, pack_header, unpack_header
from streaming.settings import is_loopback

__all__ = ["ONLY_TARGET", "Disconnected", "Hop", "LiveClient", "Totals"]

ONLY_TARGET = "target"
"""Id of the target made from `prompt=`."""

_CONNECT_S, _SEND_S, _REPLY_S, _END_S = 10.0, 5.0, 5.0, 15.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 2.0
_PING_S = 3.0
"""The server ends a session that is silent for 10 s; pings count as life, and find a dead peer."""

_INBOX_MESSAGES = 1024
_REMEMBERED_HOPS = 60_000


@dataclass(frozen=True, slots=True)
class Hop:
    """A stretch of one output track.

    Attributes:
        track: name (`speech/target`, `residual`).
        pts: index of its first sample, counted in samples sent.
        samples: `(channels, n)` float32.
        discontinuity: sound is missing before it.
        last: nothing follows on this track.
        received_s: `time.perf_counter` at receipt.
        latency_s: arrival latency: receipt minus capture of the first sample; None where that was not sent here.
        gather_s: the share of it before the hop could be made: until the chunk was sent that completed its window.
    """

    track: str
    pts: int
    samples: Samples
    discontinuity: bool
    last: bool
    received_s: float
    latency_s: float | None
    gather_s: float | None


@dataclass(slots=True)
class Totals:
    """What happened so far. `arrival_s` and `gather_s` keep the newest hops."""

    sent_samples: int = 0
    lost_samples: int = 0
    clipped_samples: int = 0
    hops: int = 0
    reconnects: int = 0
    arrival_s: deque[float] = field(default_factory=lambda: deque(maxlen=_REMEMBERED_HOPS))
    gather_s: deque[float] = field(default_factory=lambda: deque(maxlen=_REMEMBERED_HOPS))


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
        api_key: sent as `Authorization: Key …`.
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
        on_failure: str = "close",
        reconnect_s: float = 30.0,
        on_event: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        if (prompt is None) == (not targets):
            raise BadInput("targets", "either prompt= or targets=", "both" if targets else "neither")
        wanted = targets or (Target(ONLY_TARGET, prompt or ""),)
        self._targets = {target.id: target for target in wanted}
        self._encoding: Encoding = known_encoding(encoding)
        self._decoder = PcmDecoder(encoding, channels)
        self._url = live_url(url)
        self._rate, self._channels = sample_rate, channels
        self._residual, self._model, self._on_failure = residual, model, on_failure
        self._headers = {"Authorization": f"Key {api_key}"} if api_key else {}
        self._reconnect_s = reconnect_s
        self._on_event = on_event
        self.started: dict[str, Any] = {}
        self.stats: dict[str, Any] = {}
        self.ended: dict[str, Any] = {}
        self.events: deque[dict[str, Any]] = deque(maxlen=256)
        self.totals = Totals()
        self._captures = Captures(sample_rate)
        self._socket: ClientConnection | None = None
        self._reader: asyncio.Task[None] | None = None
        self._hops: asyncio.Queue[Hop | None] = asyncio.Queue(_INBOX_MESSAGES)
        self._reply: asyncio.Future[dict[str, Any]] | None = None
        self._replying = asyncio.Lock()
        self._failure: WinnowError | None = None
        self._tracks: dict[int, str] = {}
        self._fresh_tracks: set[int] = set()
        self._base = 0
        self._sequence = 0
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
        if samples.ndim != 2 or samples.shape[0] != self._channels:
            raise BadInput("samples", f"shape ({self._channels}, n)", samples.shape)
        if self._failure is not None:
            raise self._failure
        if self._ending or self._over:
            raise Disconnected("the session has ended")
        payload, clipped = encode_pcm(samples, self._encoding)
        first, end = self.totals.sent_samples, self.totals.sent_samples + samples.shape[1]
        self.totals.sent_samples = end
        self.totals.clipped_samples += clipped
        socket = self._socket
        if socket is None:
            self.totals.lost_samples += samples.shape[1]  # between two connections
            return
        if self._sequence == 0:
            self._base = first  # and what was sent between the two connections is not part of it
        flags = FLAG_DISCONTINUITY if self._sequence == 0 and self.totals.reconnects else 0
        header = pack_header(0, flags, self._sequence, first - self._base)
        self._sequence += 1
        self._captures.sent(first, end, time.perf_counter() if captured_s is None else captured_s)
        try:
            async with asyncio.timeout(_SEND_S):
                await socket.send(header + payload)
        except (TimeoutError, ConnectionClosed, OSError):
            self.totals.lost_samples += samples.shape[1]
            socket.transport.abort()  # the reader sees it, and connects anew

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
        """Replace or add targets by id; gives the server's `updated`.

        Raises:
            UnknownPrompt, NoCapacity, Refusal: it says no, and the session goes on as it was.
            Disconnected: no answer.
        """
        answer = await self._ask({"type": "update", "targets": [wire_target(one) for one in targets]})
        self._targets.update({target.id: target for target in targets})
        return answer

    async def remove(self, ids: Sequence[str]) -> dict[str, Any]:
        """End targets; gives the server's `updated`.

        Raises:
            Refusal: it says no.
            Disconnected: no answer.
        """
        answer = await self._ask({"type": "remove", "targets": list(ids)})
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
        """Say that no more sound comes; the iterator gives what is left and stops.

        Raises:
            Disconnected: the connection was lost just now.
        """
        self._ending = True
        if self._patience is not None:
            self._patience.reschedule(asyncio.get_running_loop().time() + _END_S)
        if self._socket is not None:  # else it is said as soon as there is a connection again
            await self._say({"type": "end"})

    async def _ask(self, message: dict[str, Any]) -> dict[str, Any]:
        async with self._replying:
            self._reply = asyncio.get_running_loop().create_future()
            try:
                await self._say(message)
                return await asyncio.wait_for(self._reply, _REPLY_S)
            except TimeoutError:
                raise Disconnected(f"no answer to {message['type']} within {_REPLY_S:.0f} s") from None
            finally:
                self._reply = None

    async def _say(self, message: dict[str, Any]) -> None:
        if self._socket is None:
            raise Disconnected("no connection now")
        self._end_said = self._end_said or message["type"] == "end"
        try:
            async with asyncio.timeout(_SEND_S):
                await self._socket.send(json.dumps(message))
        except (TimeoutError, ConnectionClosed, OSError) as error:
            raise Disconnected(f"the connection was lost: {error}") from error

    # --- the connection ---------------------------------------------------------------------------------------

    async def _open(self) -> None:
        host = urlsplit(self._url).hostname or ""
        try:
            socket = await connect(
                self._url,
                additional_headers=self._headers,
                subprotocols=[SUBPROTOCOL],  # type: ignore[list-item]
                compression=None,
                open_timeout=_CONNECT_S,
                close_timeout=1.0,
                ping_interval=_PING_S,
                ping_timeout=2 * _PING_S,
                proxy=None if is_loopback(host) else True,
            )
        except InvalidStatus as error:
            raise Disconnected(f"{self._url}: HTTP {error.response.status_code}") from error
        except (OSError, TimeoutError, WebSocketException) as error:
            raise Disconnected(f"{self._url}: {error or type(error).__name__}") from error
        try:
            await socket.send(json.dumps(self._start()))
            async with asyncio.timeout(_CONNECT_S):
                self._begin(json.loads(await socket.recv(decode=True)))
        except (ConnectionClosed, OSError, TimeoutError, ValueError) as error:
            socket.transport.abort()
            raise closed_error(error) from error
        except BaseException:
            socket.transport.abort()
            raise
        self._sequence = 0
        self._base = self.totals.sent_samples  # the server counts a new session from 0
        self._socket = socket

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

    def _begin(self, message: dict[str, Any]) -> None:
        if message["type"] == "error":
            raise server_error(message)
        if message["type"] != "started":
            raise Disconnected(f"expected 'started', got {message['type']!r}")
        self.started = message
        self._hear(message)
        self._learn_tracks(message)
        self._fresh_tracks = set(self._tracks)

    def _learn_tracks(self, message: dict[str, Any]) -> None:
        for track in message.get("tracks", ()):
            self._tracks[int(track["index"])] = str(track["name"])

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
        if self._reply is not None and not self._reply.done():
            self._reply.set_exception(self._failure or Disconnected("the session has ended"))
        await self._hops.put(None)

    async def _read(self) -> bool:
        """Take messages until the connection ends; True if the session ended as agreed, False if it was lost.

        Raises:
            WinnowError: the server ended it with an error that trying again will not cure.
        """
        socket = self._socket
        assert socket is not None
        last_error: dict[str, Any] | None = None
        try:
            while True:
                async with asyncio.timeout(_END_S if self._ending else None) as self._patience:
                    message = await socket.recv()
                self._patience = None
                if isinstance(message, bytes):
                    await self._receive(message)
                    continue
                event = json.loads(message)
                if event.get("type") == "error" and "close_code" in event:
                    last_error = event
                self._hear(event)
        except ConnectionClosed:
            self._socket = None
        except TimeoutError:
            self._socket = None
            socket.transport.abort()
            raise Disconnected(f"the server did not end within {_END_S:.0f} s") from None
        finally:
            self._patience = None
        if self.ended and self._ending:
            return True
        if last_error is not None and not last_error.get("retryable"):
            raise server_error(last_error)
        if self._ending and self._end_said:
            raise Disconnected("the connection was lost before the end")
        return False

    async def _reconnect(self) -> None:
        give_up_s = time.monotonic() + self._reconnect_s
        pause_s = _FIRST_PAUSE_S
        while True:
            if time.monotonic() + pause_s > give_up_s:
                raise Disconnected(f"the connection was lost, and none could be made in {self._reconnect_s:g} s")
            await asyncio.sleep(pause_s)
            try:
                # Counted before, so that the first chunk on the new connection carries the flag.
                self.totals.reconnects += 1
                await self._open()
                if self._ending:
                    await self._say({"type": "end"})
                return
            except (Disconnected, NoCapacity):
                self.totals.reconnects -= 1
            except Refusal as error:
                self.totals.reconnects -= 1
                if not error.retryable:
                    raise
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    async def _receive(self, message: bytes) -> None:
        header = unpack_header(message)
        now_s = time.perf_counter()
        samples = self._decoder.decode(memoryview(message)[HEADER_BYTES:])
        pts = header.pts + self._base
        fresh = self.totals.reconnects > 0 and header.track in self._fresh_tracks
        self._fresh_tracks.discard(header.track)
        latency_s, gather_s = self._delays(pts, samples.shape[1], now_s)
        name = self._tracks.get(header.track, str(header.track))
        self.totals.hops += 1
        broken = fresh or bool(header.flags & FLAG_DISCONTINUITY)
        last = bool(header.flags & FLAG_LAST)
        await self._hops.put(Hop(name, pts, samples, broken, last, now_s, latency_s, gather_s))

    def _delays(self, pts: int, count: int, now_s: float) -> tuple[float | None, float | None]:
        captured_s = self._captures.captured_s(pts) if count else None
        if captured_s is None:
            return None, None
        latency_s = now_s - captured_s
        window = int(self.started.get("latency", {}).get("samples", 0))
        completed_s = self._captures.completed_s(pts + window) if window else None
        gather_s = None if completed_s is None else completed_s - captured_s
        if gather_s is not None and not self._ending:  # a hop that the end pushed out waited for no window
            self.totals.arrival_s.append(latency_s)
            self.totals.gather_s.append(gather_s)
        return latency_s, gather_s

    def _hear(self, event: dict[str, Any]) -> None:
        self.events.append(event)
        match event.get("type"):
            case "stats":
                self.stats = event
            case "ended":
                self.ended = event
            case "updated":
                self._learn_tracks(event)
                self._answer(event)
            case "error" if "close_code" not in event:
                self._answer(event)
        if self._on_event is not None:
            self._on_event(event)

    def _answer(self, event: dict[str, Any]) -> None:
        if self._reply is None or self._reply.done():
            return
        if event["type"] == "error":
            self._reply.set_exception(server_error(event))
        else:
            self._reply.set_result(event)

    async def _hang_up(self) -> None:
        socket, self._socket = self._socket, None
        if socket is not None:
            with contextlib.suppress(Exception):
                await socket.close()
