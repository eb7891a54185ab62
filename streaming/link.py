"""What a `Runner` needs of a connection, whatever carries it: a WebSocket (`LiveSocket`) or a peer (`PeerLink`).

The other direction, what a connection tells its runner, is `listener.Listener`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Literal, Protocol


class Link(Protocol):
    """One client's connection as its session sees it; every method returns at once."""

    read_paused: bool
    """Whether the client is being made to wait."""
    connecting: bool
    """Whether nothing can be heard yet, for the connection is still being made: it has a limit of its own."""

    @property
    def carrier(self) -> Literal["websocket", "webrtc"]:
        """What carries the sound."""

    @property
    def writable(self) -> asyncio.Event:
        """Set while sound can be written."""

    @property
    def clear(self) -> bool:
        """Whether a text can be written."""

    def expect_output(self, bytes_per_s: float) -> None:
        """How fast sound will be written."""

    def write_binary(self, messages: Iterable[bytes]) -> None:
        """Send whole binary messages."""

    def write_text(self, text: str) -> None:
        """Send one text message."""

    def pause_reading(self) -> None:
        """Let the client wait."""

    def resume_reading(self) -> None:
        """Read on."""

    def finish(self, code: int, reason: str = "") -> None:
        """Close: what was written goes first."""
