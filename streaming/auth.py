"""Who may connect: API keys, short-lived tokens, and the page a browser's WebSocket comes from.

`Gate.judge` is the one place where the credentials of a request are judged, HTTP or WebSocket. Keys are kept and
compared as digests, so that neither their length nor their beginning shows in the time it takes.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from pydantic import SecretStr

from streaming.errors import Close, Refusal, Unauthorised
from streaming.settings import is_loopback
from streaming.tokens import Grant, Mint, Scope

SUBPROTOCOL = "winnow.v1"
_TOKEN = "token."
_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who asks, once judged.

    Attributes:
        key: short name of the API key (their own, or the one that their token was minted with); `""` where none is
            needed.
        grant: of their token, None for those who came with a key or need nothing.
    """

    key: str = ""
    grant: Grant | None = None


class KeyRing:
    """The API keys of a server; empty means that everybody may connect.

    Args:
        keys: the keys themselves; only their digests are kept.
    """

    def __init__(self, keys: Iterable[SecretStr]) -> None:
        self._digests = tuple(hashlib.sha256(key.get_secret_value().encode()).digest() for key in keys)

    def __bool__(self) -> bool:
        return bool(self._digests)

    @property
    def names(self) -> tuple[str, ...]:
        """Short names of the keys; `""` where none is needed."""
        return tuple(digest.hex()[:12] for digest in self._digests) or ("",)

    def admit(self, key: str | None) -> str:
        """The short name of a key (for counting), `""` where no key is needed.

        Raises:
            Unauthorised: a key is needed, and none came or one that is not known.
        """
        if not self._digests:
            return ""
        if not key:
            raise Unauthorised("this server needs a key: send the header 'Authorization: Key …'")
        digest = hashlib.sha256(key.encode()).digest()
        # Every key is compared, found or not, so that the time says nothing about which one it was.
        if not sum(hmac.compare_digest(digest, known) for known in self._digests):
            raise Unauthorised("the key is not known")
        return digest.hex()[:12]


class Gate:
    """Judges the credentials of every request, whatever door it comes through.

    Args:
        keys: the server's.
        mint: of its tokens.
    """

    def __init__(self, keys: KeyRing, mint: Mint) -> None:
        self.keys, self.mint = keys, mint

    def judge(
        self, scope: Scope, authorization: str | None, subprotocols: Iterable[str] = (), *, resumes: bool = False
    ) -> Credentials:
        """Who asks, if they may.

        Args:
            scope: what they want to do; a key may do everything.
            authorization: the header: `Key …`, or `Bearer …` with a token.
            subprotocols: what a WebSocket offered; one may be `token.…`. The header goes first.
            resumes: an expired token is let in, for the sake of the session that it has started. Whoever starts one
                has `mint.spend` judge that.

        Raises:
            Unauthorised: nothing came that this server accepts, or too late.
            Refusal: `forbidden`, the token is for something else.
        """
        scheme, _, value = (authorization or "").strip().partition(" ")
        token = value.strip() if scheme.lower() == "bearer" else None
        if not scheme:
            token = next((name.removeprefix(_TOKEN) for name in subprotocols if name.startswith(_TOKEN)), None)
        if token is None:
            return Credentials(self.keys.admit(value.strip() if scheme.lower() == "key" else None))
        grant = self.mint.judge(token, self.keys.names)
        if grant.expired and not resumes:
            raise Unauthorised("the token has expired; ask for a new one", reason="token_expired")
        if scope not in grant.scopes:
            message = f"the token is for {' and '.join(grant.scopes)}, not for {scope}"
            raise Refusal("forbidden", message, Close.POLICY, field="scope", expected=scope, got=" ".join(grant.scopes))
        return Credentials(grant.key, grant)

    def owner(self, authorization: str | None) -> str:
        """The short name of the key of somebody who asks for a token; a token does not mint another.

        Raises:
            Unauthorised: no key came that this server knows.
        """
        scheme, _, value = (authorization or "").strip().partition(" ")
        if scheme.lower() == "bearer":
            raise Unauthorised("tokens are minted with a key: 'Authorization: Key …'")
        return self.keys.admit(value.strip() if scheme.lower() == "key" else None)


def choose_subprotocol(offered: Iterable[str]) -> str | None:
    """The subprotocol to answer with, None where the client offered none. A `token.…` among them is never answered.

    Raises:
        Refusal: subprotocols were offered, and none is ours.
    """
    names = tuple(offered)
    if SUBPROTOCOL in names:
        return SUBPROTOCOL
    if not names:
        return None
    shown = ", ".join(_TOKEN + "…" if name.startswith(_TOKEN) else name for name in names)[:80]
    message = f"Sec-WebSocket-Protocol: expected {SUBPROTOCOL}, got {shown}"
    raise Refusal(
        "bad_message",
        message,
        Close.BAD_MESSAGE,
        field="Sec-WebSocket-Protocol",
        expected=SUBPROTOCOL,
        got=shown,
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
