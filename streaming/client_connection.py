"""One WebSocket of the SDK: opened, and agreed upon with the server by the first message and its answer."""

from __future__ import annotations

import asyncio
import errno
import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from streaming.auth import SUBPROTOCOL
from streaming.client_wire import Disconnected, closed_error, server_error
from streaming.settings import is_loopback

CONNECT_S = 10.0
PING_S = 3.0
"""The server ends a session that is silent for 10 s; pings count as life, and find a dead peer."""


def authorization(api_key: str | None, token: str | None) -> dict[str, str]:
    """The header that says who we are; empty where nothing is needed."""
    if api_key:
        return {"Authorization": f"Key {api_key}"}
    return {"Authorization": f"Bearer {token}"} if token else {}


async def open_socket(url: str, headers: Mapping[str, str]) -> ClientConnection:
    """A connected WebSocket.

    Raises:
        Disconnected: no server there, or none that lets us in.
    """
    try:
        return await connect(
            url,
            additional_headers=headers,
            subprotocols=[SUBPROTOCOL],  # type: ignore[list-item]
            compression=None,
            open_timeout=CONNECT_S,
            close_timeout=1.0,
            ping_interval=PING_S,
            ping_timeout=2 * PING_S,
            proxy=None if is_loopback(urlsplit(url).hostname or "") else True,
        )
    except InvalidStatus as error:
        raise Disconnected(f"{url}: HTTP {error.response.status_code}") from error
    except (OSError, TimeoutError, WebSocketException) as error:
        said = str(error) or type(error).__name__
        if f"[Errno {errno.ECONNREFUSED}]" in said:  # of several addresses asyncio joins the words, without a type
            said = "no server listens there (winnow serve starts one)"
        raise Disconnected(f"{url}: {said}") from error


async def agree(socket: ClientConnection, start: dict[str, Any], resume: dict[str, Any] | None) -> dict[str, Any]:
    """The server's `resumed` or `started`.

    Args:
        socket: just opened; cut off where this raises.
        start: the message that begins a session.
        resume: the one that goes on with an earlier one, tried first.

    Raises:
        WinnowError: the server says no, or nothing that we understand.
    """
    try:
        async with asyncio.timeout(CONNECT_S):
            if resume is not None:
                answer = await _asked(socket, resume)
                if answer["type"] != "error":
                    return answer
            return await _asked(socket, start)
    except (ConnectionClosed, OSError, TimeoutError, ValueError) as error:
        socket.transport.abort()
        raise closed_error(error) from error
    except BaseException:
        socket.transport.abort()
        raise


async def _asked(socket: ClientConnection, message: dict[str, Any]) -> dict[str, Any]:
    with suppress(ConnectionClosed):  # why the server closed has come before, and is read below
        await socket.send(json.dumps(message))
    answer: dict[str, Any] = json.loads(await socket.recv(decode=True))
    if answer["type"] == "error":
        if "close_code" in answer or message["type"] != "resume":
            raise server_error(answer)
    elif answer["type"] not in ("started", "resumed"):
        raise Disconnected(f"expected 'started', got {answer['type']!r}")
    return answer
