"""`winnow live`: a source into a live server, and what comes back into a sink, until the source ends or Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlencode, urlsplit

import numpy as np
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from engine.frames import Samples
from streaming.client import Hop, LiveClient, Totals
from streaming.client_connection import authorization
from streaming.client_wire import Disconnected, live_url, server_error
from streaming.live_ends import Sink, Source
from streaming.media import PcmDecoder, encode_pcm, known_encoding
from streaming.settings import is_loopback

_LONGEST_FILL_S = 60.0
"""Sound lost with a connection is replaced by silence, so that the output keeps its place in time; not for ever."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What to ask of the server: the source's sound, one prompt, one of the two tracks.

    Attributes:
        url: the server.
        prompt: in words.
        track: `target` or `residual`.
        encoding: on the wire.
        model: bundle name at the server.
        api_key: or None; or
        token: a short-lived one.
        on_event: called with every text message.
    """

    url: str
    prompt: str
    track: Literal["target", "residual"] = "target"
    encoding: str = "pcm_f32le"
    model: str = "default"
    api_key: str | None = None
    token: str | None = None
    on_event: Callable[[dict[str, Any]], None] | None = None


async def run_framed(wish: Wish, source: Source, open_sink: Callable[[], Sink]) -> Totals:
    """Framed mode: reconnects, and says what was lost.

    Args:
        wish: what to ask for.
        source: sound to send.
        open_sink: called once the server has said yes, so that a refusal leaves no file.

    Raises:
        WinnowError: the server says no, or the connection cannot be restored.
        OutputError, BrokenPipeError: the sink.
    """
    client = LiveClient(
        wish.url,
        prompt=wish.prompt,
        sample_rate=source.rate,
        channels=source.channels,
        encoding=wish.encoding,
        residual=wish.track == "residual",
        model=wish.model,
        api_key=wish.api_key,
        token=wish.token,
        on_event=wish.on_event,
    )
    async with client as live:
        with _kept(open_sink()) as sink:
            await together(_send_all(live, source), _write_all(live, sink, wish.track, source))
    return live.totals


async def together(*parts: Coroutine[Any, Any, None]) -> None:
    """Run all to the end; the first error cancels the others and is raised as itself."""
    try:
        async with asyncio.TaskGroup() as group:
            for part in parts:
                group.create_task(part)
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None


async def _send_all(live: LiveClient, source: Source) -> None:
    async for chunk in _until_interrupted(source.chunks()):
        await live.send(chunk)
    await live.end()


async def _write_all(live: LiveClient, sink: Sink, track: str, source: Source) -> None:
    position = 0
    async for hop in live:
        if hop.track.endswith(track):
            await _write(hop, sink, position, source)
            position = hop.pts + hop.samples.shape[1]
    # What was lost at the very end.
    await _silence(live.totals.sent_samples - position, sink, source)


async def _write(hop: Hop, sink: Sink, position: int, source: Source) -> None:
    gap = hop.pts - position
    await _silence(gap, sink, source)
    await sink.write(hop.samples[:, max(-gap, 0) :])


async def _silence(count: int, sink: Sink, source: Source) -> None:
    count = min(count, round(_LONGEST_FILL_S * source.rate))
    if count > 0:
        await sink.write(np.zeros((source.channels, count), np.float32))


async def run_raw(wish: Wish, source: Source, open_sink: Callable[[], Sink]) -> Totals:
    """Raw mode: the one URL, PCM in, PCM out; no reconnecting.

    Raises:
        WinnowError: the server says no, or the connection is lost.
        OutputError, BrokenPipeError: the sink.
    """
    query = {
        "prompt": wish.prompt,
        "sample_rate": source.rate,
        "channels": source.channels,
        "encoding": known_encoding(wish.encoding),
        "output": wish.track,
        "model": wish.model,
    }
    url = live_url(wish.url)
    headers = authorization(wish.api_key, wish.token)
    proxy: Literal[True] | None = None if is_loopback(urlsplit(url).hostname or "") else True
    totals = Totals()
    try:
        connection = connect(
            f"{url}?{urlencode(query)}", additional_headers=headers, compression=None, proxy=proxy, ping_interval=3.0
        )
        async with connection as socket:
            await _exchange(socket, wish, source, open_sink, totals)
    except (OSError, TimeoutError, WebSocketException) as error:
        if isinstance(error, BrokenPipeError):
            raise
        raise Disconnected(f"{url}: {error or type(error).__name__}") from error
    return totals


async def _exchange(
    socket: ClientConnection, wish: Wish, source: Source, open_sink: Callable[[], Sink], totals: Totals
) -> None:
    decoder = PcmDecoder(wish.encoding, source.channels)
    with contextlib.ExitStack() as stack:
        sink: Sink | None = None
        sending = asyncio.create_task(_send_raw(socket, wish, source, totals))
        ended = False
        try:
            async for message in socket:
                if isinstance(message, bytes):
                    sink = sink or stack.enter_context(_kept(open_sink()))
                    totals.hops += 1
                    await sink.write(decoder.decode(message))
                    continue
                event = json.loads(message)
                if wish.on_event is not None:
                    wish.on_event(event)
                if event.get("type") == "error":
                    raise server_error(event)
                ended = ended or event.get("type") == "ended"
            if not ended:
                raise Disconnected("the server closed before the end")
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)


async def _send_raw(socket: ClientConnection, wish: Wish, source: Source, totals: Totals) -> None:
    encoding = known_encoding(wish.encoding)
    with contextlib.suppress(ConnectionClosed):  # the reading side tells why
        async for chunk in _until_interrupted(source.chunks()):
            data, clipped = encode_pcm(chunk, encoding)
            await socket.send(data)
            totals.sent_samples += chunk.shape[1]
            totals.clipped_samples += clipped
        await socket.send('{"type":"end"}')


@contextlib.contextmanager
def _kept(sink: Sink) -> Any:
    try:
        yield sink
    except BaseException:
        sink.close(kept=False)
        raise
    sink.close(kept=True)


async def _until_interrupted(chunks: AsyncIterator[Samples]) -> AsyncIterator[Samples]:
    """The chunks until Ctrl-C, which here means the end of the source and not of the program."""
    loop = asyncio.get_running_loop()
    stop: asyncio.Future[None] = loop.create_future()

    def interrupted() -> None:
        if not stop.done():
            stop.set_result(None)

    with contextlib.suppress(NotImplementedError, ValueError, RuntimeError):  # no signals in this thread
        loop.add_signal_handler(signal.SIGINT, interrupted)
    try:
        while True:
            coming: asyncio.Future[Any] = asyncio.ensure_future(anext(chunks, None))
            await asyncio.wait((coming, stop), return_when=asyncio.FIRST_COMPLETED)
            if not coming.done():
                coming.cancel()
                return
            chunk = coming.result()
            if chunk is None:
                return
            yield chunk
    finally:
        stop.cancel()
        with contextlib.suppress(NotImplementedError, ValueError, RuntimeError):
            loop.remove_signal_handler(signal.SIGINT)
