"""What a connection tells whoever it is attached to: `LiveSocket` calls it, a `Runner` or a raw listener is told.

The other direction, what a runner needs of its connection, is `link.Link`.
"""

from __future__ import annotations

from typing import Protocol


class Listener(Protocol):
    """What a live socket tells; every method returns at once."""

    def on_binary(self, payload: bytes) -> None:
        """A whole binary message."""

    def on_text(self, text: str) -> None:
        """A whole text message."""

    def on_ping(self) -> None:
        """A WebSocket ping; it is answered already."""

    def on_too_large(self, length: int) -> None:
        """A message over the limit begins; `length` bytes, 0 where unknown. The listener closes."""

    def on_bad_text(self) -> None:
        """A text message that is not UTF-8. The listener closes."""

    def on_shutdown(self) -> None:
        """The server stops: what the listener has to say of it is said now. The listener closes."""

    def on_writable(self) -> None:
        """The write buffer has room again."""

    def on_lost(self) -> None:
        """The connection is gone; nothing is told after this."""


class Nobody:
    """A listener for a connection whose session has moved to another one."""

    def on_binary(self, payload: bytes) -> None:
        """Not used."""

    def on_text(self, text: str) -> None:
        """Not used."""

    def on_ping(self) -> None:
        """Answered already."""

    def on_too_large(self, length: int) -> None:
        """Not used."""

    def on_bad_text(self) -> None:
        """Not used."""

    def on_shutdown(self) -> None:
        """It is closing already."""

    def on_writable(self) -> None:
        """Nothing waits."""

    def on_lost(self) -> None:
        """As expected."""
