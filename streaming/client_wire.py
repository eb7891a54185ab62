"""What the SDK puts on the wire and how it reads refusals: addresses, targets, typed errors."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit, urlunsplit

from websockets.exceptions import ConnectionClosed

from engine.errors import BadInput, NoCapacity, UnknownPrompt, WinnowError
from engine.prompt import Target
from streaming.errors import Close, Refusal


class Disconnected(WinnowError):
    """No connection, and none could be made in the time allowed."""

    code = "disconnected"
    retryable = True


class ConnectionLost(Disconnected):
    """This connection is gone; there may be another one soon."""


def live_url(url: str) -> str:
    """The WebSocket address of a server: `http` becomes `ws`, and `/v1/live` is added where there is no path.

    Raises:
        BadInput: no such scheme, or no host.
    """
    parts = urlsplit(url if "://" in url else f"ws://{url}")
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
    if scheme not in ("ws", "wss") or not parts.hostname:
        raise BadInput("url", "ws://HOST:PORT or wss://HOST", url)
    path = parts.path if parts.path.strip("/") else "/v1/live"
    return urlunsplit((scheme, parts.netloc, path, parts.query, ""))


def wire_target(target: Target) -> dict[str, Any]:
    """A target as `start` and `update` carry it."""
    wire: dict[str, Any] = {"id": target.id, "prompt": target.prompt, "gain_db": float(target.gain_db)}
    wire["spans"] = [
        {"start": float(span.start_s), "end": float(span.end_s), "include": span.include} for span in target.spans
    ]
    wire["bypass"] = target.bypass
    if target.max_suppression_db is not None:
        wire["max_suppression_db"] = float(target.max_suppression_db)
    return wire


def server_error(message: dict[str, Any]) -> WinnowError:
    """The typed error that an `error` message stands for."""
    code, text = str(message.get("code")), str(message.get("message"))
    if code == UnknownPrompt.code:
        near = tuple(str(word) for word in message.get("suggestions", ()))
        return UnknownPrompt(str(message.get("prompt", "")), near, message.get("target"))
    if code == NoCapacity.code:
        return NoCapacity(text, float(message.get("retry_after_s", 5.0)))
    close = int(message.get("close_code", Close.BAD_MESSAGE))
    return Refusal(code, text, close, retryable=bool(message.get("retryable")), server=message)


def closed_error(error: Exception) -> WinnowError:
    """What to say of a connection that ended before the session began."""
    if isinstance(error, ConnectionClosed) and error.rcvd is not None:
        reason = error.rcvd.reason or "no reason given"
        return Disconnected(f"the server closed with {error.rcvd.code}: {reason}")
    return Disconnected(f"the server did not start the session: {error or type(error).__name__}")
