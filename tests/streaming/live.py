"""A real server on loopback inside the test's event loop, and a few words to talk to it."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np
import websockets
from numpy.typing import NDArray
from websockets.asyncio.client import ClientConnection, connect

from engine.bundle import Bundle
from streaming.app import uvicorn_server
from streaming.live_server import LiveServer
from streaming.live_socket import LiveSocket
from streaming.runner import Runner
from streaming.settings import Settings

HEADER = struct.Struct("<BBBBIq")
START: dict[str, Any] = {
    "type": "start",
    "audio": {"encoding": "pcm_s16le", "sample_rate": 48000, "channels": 1},
    "video": None,
    "targets": [{"id": "voice", "prompt": "speech"}],
    "return": ["target", "residual"],
}
END = '{"type":"end"}'
PATIENCE_S = 45.0
"""Of tests that are not about a limit: a busy machine answers late."""


@dataclass
class House:
    """A running server."""

    port: int
    live: LiveServer
    server: Any

    @property
    def url(self) -> str:
        """Of `/v1/live`."""
        return f"ws://127.0.0.1:{self.port}/v1/live"

    @property
    def http(self) -> str:
        """Of the HTTP part."""
        return f"http://127.0.0.1:{self.port}"

    def web(self, **options: Any) -> httpx.AsyncClient:
        """A client of the HTTP part."""
        return httpx.AsyncClient(base_url=self.http, timeout=PATIENCE_S, **options)

    def raw(self, prompt: str = "speech", **query: object) -> connect:
        """A raw connection."""
        rest = "".join(f"&{name}={value}" for name, value in query.items())
        return connect(f"{self.url}?prompt={prompt}{rest}", compression=None, max_size=None)

    def framed(self, **options: Any) -> connect:
        """A framed connection."""
        return connect(self.url, compression=None, max_size=None, **options)

    async def empty(self) -> None:
        """Wait until no session is left."""
        async with asyncio.timeout(PATIENCE_S), self.live.changed:
            await self.live.changed.wait_for(lambda: not self.live.sessions)

    def only_session(self) -> Runner:
        """The one session that runs."""
        (runner,) = self.live.sessions.values()
        return runner

    def only_socket(self) -> LiveSocket:
        """The WebSocket of the one session that runs."""
        socket = self.only_session().socket
        assert isinstance(socket, LiveSocket)
        return socket


@asynccontextmanager
async def house(bundle: Bundle, **settings: Any) -> AsyncIterator[House]:
    """A server on a free port; ended at the end."""
    # A busy test machine is no reason to refuse a session, but in the tests that are about it.
    patience = {"idle_s": 2 * PATIENCE_S, "slow_consumer_s": PATIENCE_S, "connect_s": PATIENCE_S}
    server = uvicorn_server(Settings(**{"port": 0, "capacity_share": 1e6, **patience, **settings}), bundle)
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    await server.startup()
    running = asyncio.create_task(server.main_loop())
    app = server.config.loaded_app
    try:
        yield House(server.servers[0].sockets[0].getsockname()[1], app.state.server, server)
    finally:
        server.should_exit = True
        await running
        await server.shutdown()


@dataclass
class Heard:
    """Everything a server said until it closed."""

    texts: list[dict[str, Any]] = field(default_factory=list)
    binary: list[bytes] = field(default_factory=list)
    close: int | None = None

    @property
    def sound(self) -> bytes:
        """Raw mode's sound."""
        return b"".join(self.binary)

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The texts of a type."""
        return [text for text in self.texts if text["type"] == kind]

    @property
    def error(self) -> dict[str, Any]:
        """The one error."""
        (error,) = self.of("error")
        return error

    def track(self, index: int) -> tuple[bytes, list[tuple[int, ...]]]:
        """Sound and headers of a track of framed mode."""
        found = [(HEADER.unpack_from(message), message[16:]) for message in self.binary]
        mine = [(header, payload) for header, payload in found if header[2] == index]
        return b"".join(payload for _, payload in mine), [header for header, _ in mine]


async def listen(link: ClientConnection) -> Heard:
    """Read until the close."""
    heard = Heard()
    try:
        while True:
            message = await link.recv()
            if isinstance(message, str):
                heard.texts.append(json.loads(message))
            else:
                heard.binary.append(message)
    except websockets.ConnectionClosed:
        heard.close = link.close_code
    return heard


async def talk(link: ClientConnection, messages: Iterable[bytes | str]) -> Heard:
    """Send everything while reading, until the close."""

    async def send() -> None:
        try:
            for message in messages:
                await link.send(message)
        except websockets.ConnectionClosed:
            pass  # refused midway: the answer says why

    sending = asyncio.create_task(send())
    async with asyncio.timeout(PATIENCE_S):
        heard = await listen(link)
        await sending
    return heard


async def next_text(link: ClientConnection, kind: str) -> dict[str, Any]:
    """The next text message of a type; what else comes is passed over."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            message = await link.recv()
            if isinstance(message, str) and (found := json.loads(message))["type"] == kind:
                return dict(found)


def noise(count: int, channels: int = 1, seed: int = 3) -> NDArray[np.int16]:
    """`(count, channels)` of s16 that nothing clips."""
    return np.random.default_rng(seed).integers(-12000, 12000, (count, channels)).astype("<i2")


def cut(data: bytes, size: int) -> list[bytes]:
    """Pieces of `size` bytes."""
    return [data[at : at + size] for at in range(0, len(data), size)]


def framed_messages(data: bytes, frame_bytes: int, size: int = 480, pts: int = 0) -> list[bytes]:
    """Binary messages of framed mode, `size` samples each."""
    return [
        HEADER.pack(1, 0, 0, 0, index, pts + index * size) + piece
        for index, piece in enumerate(cut(data, size * frame_bytes))
    ]
