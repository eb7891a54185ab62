"""STUN and TURN servers for one session: passwords for a relay are made for each, and last minutes.

The scheme is coturn's REST API (`use-auth-secret`): the user name is the time it ends, the password its HMAC-SHA1 under
the secret that both know (draft-uberti-behave-turn-rest-00, section 2.2). Nobody stores anything.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass

from aiortc import RTCIceServer

from engine.errors import BadInput

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True, slots=True)
class IceServer:
    """One server as a client is told of it; `username` and `credential` are None for STUN."""

    url: str
    username: str | None = None
    credential: str | None = None

    def link(self) -> str:
        """The value of a `Link` header (RFC 9725, "STUN/TURN Server Configuration")."""
        value = f'<{self.url}>; rel="ice-server"'
        if self.username is not None:
            value += f'; username="{self.username}"; credential="{self.credential}"; credential-type="password"'
        return value

    def described(self) -> dict[str, str]:
        """An entry of a browser's `RTCConfiguration.iceServers`."""
        entry = {"urls": self.url}
        if self.username is not None and self.credential is not None:
            entry |= {"username": self.username, "credential": self.credential}
        return entry

    def for_aiortc(self) -> RTCIceServer:
        """The same for a connection of our own."""
        return RTCIceServer(urls=self.url, username=self.username, credential=self.credential)


def is_relay(url: str) -> bool:
    """Whether it is a TURN server, which wants a password."""
    return url.startswith("turn")


class IceServers:
    """See the module.

    Args:
        urls: of the servers, as `Settings` has checked them.
        secret: what the TURN servers know too (`static-auth-secret`); b"": there are none.
        ttl_s: how long a password opens new relays; one that is in use goes on.
    """

    def __init__(self, urls: Iterable[str], secret: bytes = b"", ttl_s: float = 600.0) -> None:
        self._urls = tuple(urls)
        self._secret, self._ttl_s = secret, ttl_s

    def minted(self, name: str, now_s: float) -> list[IceServer]:
        """The servers, with passwords for one session.

        Args:
            name: of the session; what coturn's quotas count by.
            now_s: seconds since 1970.
        """
        if not _NAME.fullmatch(name):
            raise BadInput("name", "letters, digits, '.', '_' and '-'", name)
        username = f"{int(now_s + self._ttl_s)}:{name}"
        digest = hmac.new(self._secret, username.encode(), hashlib.sha1).digest()
        password = base64.b64encode(digest).decode()
        return [IceServer(url, username, password) if is_relay(url) else IceServer(url) for url in self._urls]
