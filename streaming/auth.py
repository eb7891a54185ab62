"""Who may connect: API keys in a header, and the page a browser's WebSocket comes from.

Keys are kept and compared as digests, so that neither their length nor their beginning shows in the time it takes.
Short-lived tokens are in the contract and not here yet: they are refused by name.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from urllib.parse import urlsplit

from pydantic import SecretStr

from streaming.errors import Close, NotSupportedYet, Refusal, Unauthorised
from streaming.settings import is_loopback

SUBPROTOCOL = "winnow.v1"
_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


class KeyRing:
    """The API keys of a server; empty means that everybody may connect.

    Args:
        keys: the keys themselves; only their digests are kept.
    """

    def __init__(self, keys: Iterable[SecretStr]) -> None:
        self._digests = tuple(hashlib.sha256(key.get_secret_value().encode()).digest() for key in keys)

    def __bool__(self) -> bool:
        return bool(self._digests)

    def admit(self, authorization: str | None) -> str:
        """The short name of the key in an `Authorization` header (for counting), `""` where no key is needed.

        Raises:
            Unauthorised: a key is needed, and none came or one that is not known.
            NotSupportedYet: a bearer token.
        """
        scheme, _, value = (authorization or "").partition(" ")
        if scheme.lower() == "bearer":
            raise NotSupportedYet("Authorization", "a bearer token", Close.UNAUTHORISED)
        if not self._digests:
            return ""
        if scheme.lower() != "key" or not value.strip():
            raise Unauthorised("this server needs a key: send the header 'Authorization: Key …'")
        digest = hashlib.sha256(value.strip().encode()).digest()
        # Every key is compared, found or not, so that the time says nothing about which one it was.
        if not sum(hmac.compare_digest(digest, known) for known in self._digests):
            raise Unauthorised("the key is not known")
        return digest.hex()[:12]


def choose_subprotocol(offered: Iterable[str]) -> str | None:
    """The subprotocol to answer with, None where the client offered none.

    Raises:
        NotSupportedYet: a token came as a subprotocol.
        Refusal: subprotocols were offered, and none is ours.
    """
    names = tuple(offered)
    if any(name.startswith("token.") for name in names):
        raise NotSupportedYet("Sec-WebSocket-Protocol", "a token as a subprotocol", Close.UNAUTHORISED)
    if SUBPROTOCOL in names:
        return SUBPROTOCOL
    if not names:
        return None
    message = f"Sec-WebSocket-Protocol: expected {SUBPROTOCOL}, got {', '.join(names)[:80]}"
    raise Refusal(
        "bad_message",
        message,
        Close.BAD_MESSAGE,
        field="Sec-WebSocket-Protocol",
        expected=SUBPROTOCOL,
        got=", ".join(names)[:80],
    )


def check_origin(origin: str | None, host: str | None, allowed: Iterable[str], *, keyless: bool) -> None:
    """Let a WebSocket in by where its page comes from; a client that is no browser sends no Origin.

    Args:
        origin: the `Origin` header.
        host: the `Host` header.
        allowed: origins allowed beside the server's own.
        keyless: no key protects the server. Then its own origin counts only under a loopback name: a page whose
            name was rebound to 127.0.0.1 has Origin and Host alike.

    Raises:
        Refusal: the page is not from here (1008).
    """
    if origin is None:
        return
    if origin.rstrip("/").lower() in {entry.rstrip("/").lower() for entry in allowed}:
        return
    if host is not None and _same_place(origin, host) and (not keyless or is_loopback(_place(host)[0])):
        return
    message = f"Origin {origin[:80]!r} may not connect; set WINNOW_ALLOWED_ORIGINS to allow it"
    raise Refusal("origin_refused", message, Close.POLICY, field="Origin", got=origin[:80])


def _place(netloc: str, scheme: str = "http") -> tuple[str, int | None]:
    parts = urlsplit(f"{scheme}://{netloc}")
    try:
        port = parts.port
    except ValueError:
        return "", None
    return (parts.hostname or "").lower(), port or _DEFAULT_PORTS.get(scheme)


def _same_place(origin: str, host: str) -> bool:
    scheme, _, netloc = origin.partition("://")
    if scheme not in ("http", "https") or not netloc:
        return False
    # The scheme is not compared: behind a proxy that ends TLS the server sees http.
    return _place(netloc, scheme) == _place(host, scheme)
