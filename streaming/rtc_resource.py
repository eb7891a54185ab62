"""What a session URL of WebRTC stands for, whoever is behind it: `rtc_publisher.Publisher` or `rtc_viewer.Viewer`."""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable

from streaming.rtc_peer import Peer
from streaming.sdp_offer import Offer

PeerMaker = Callable[[str, Callable[[str], None]], Peer]
"""A new connection for a resource of this name; the callback is told why it is over."""


class Resource(ABC):
    """What a session URL stands for: one peer with an HTTP life.

    Attributes:
        name: of the session or the viewer; others may know it.
        secret: the rest of the URL: whoever knows it may end the session.
        etag: names the ICE session (RFC 9725, strong).
        key: short name of the API key.
        peer: the connection.
    """

    def __init__(self, name: str, key: str, offer: Offer) -> None:
        self.name, self.key, self.offer = name, key, offer
        self.secret = secrets.token_urlsafe(18)
        self.etag = f'"{secrets.token_urlsafe(12)}"'
        self.reason: str | None = None
        """Why it ended."""

    peer: Peer

    @property
    def handle(self) -> str:
        """The last part of the URL."""
        return f"{self.name}.{self.secret}"

    @abstractmethod
    async def open(self) -> str:
        """The SDP of the answer.

        Raises:
            Problem: why not; everything is undone.
        """

    @abstractmethod
    async def end(self, reason: str) -> None:
        """End it; harmless when repeated."""
