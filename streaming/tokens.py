"""Short-lived tokens for those who must not hold an API key, such as a page in a browser.

Whoever has a key asks for one (`POST /v1/tokens`) and hands it on. A token names what it may be used for, starts at
most one session, within a minute, and that session lasts no longer than the token says.

They are JWTs (RFC 7519) signed with HS256, so that every server that knows the secret accepts what another one signed.
Without `WINNOW_TOKEN_SECRET` the secret is made at the start: tokens then hold for this process alone.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import jwt
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from streaming.errors import Unauthorised
from streaming.messages import first_mistake

Scope = Literal["live", "publish", "listen", "read"]
SCOPES: tuple[Scope, ...] = ("live", "publish", "listen", "read")
"""What a token may be used for: `live` a session over a WebSocket, `publish` one over WHIP, `listen` to a running
session (WHEP), `read` the lists of models and sessions."""

_ALGORITHM = "HS256"
_ISSUER, _AUDIENCE = "winnow", "winnow.v1"
_CLAIMS = ("iss", "aud", "iat", "exp", "jti", "sub", "scope")
_SKEW_S = 2.0
"""The clocks of two servers that share a secret may differ by this much."""

_LONGEST_CHARACTERS = 2048


class TokenRequest(BaseModel):
    """The body of `POST /v1/tokens`; every member has a default.

    Attributes:
        scopes: at least one.
        start_within_s: seconds in which the session must begin.
        max_session_s: longest session; null: only the server's own limit.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    scopes: Annotated[list[Scope], Field(min_length=1, max_length=len(SCOPES))] = ["live"]
    start_within_s: Annotated[float, Field(ge=1.0, le=600.0)] = 60.0
    max_session_s: Annotated[float | None, Field(gt=0.0, le=86400.0)] = 3600.0

    @field_validator("scopes")
    @classmethod
    def _once_each(cls, scopes: list[Scope]) -> list[Scope]:
        return list(dict.fromkeys(scopes))


def parse_request(body: bytes) -> TokenRequest:
    """The request in a body; an empty body asks for the defaults.

    Raises:
        BadMessage: names the member.
    """
    try:
        return TokenRequest.model_validate_json(body or b"{}")
    except ValidationError as error:
        raise first_mistake(error) from None


@dataclass(frozen=True, slots=True)
class Grant:
    """What a genuine token allows.

    Attributes:
        id: of the token, for counting its one session.
        key: short name of the API key it was minted with.
        scopes: what it may be used for.
        max_session_s: longest session, or None.
        expired: it may not start anything any more; its own session may still be resumed.
    """

    id: str
    key: str
    scopes: tuple[str, ...]
    max_session_s: float | None
    expired: bool


class Mint:
    """Makes tokens and judges them.

    Args:
        secret: at least 32 bytes; None: a new one.
        clock: seconds since 1970, the same on all servers that share the secret.
    """

    def __init__(self, secret: str | None = None, clock: Callable[[], float] = time.time) -> None:
        self._secret = secret or secrets.token_urlsafe(48)
        self._clock = clock
        self._spent: dict[str, float] = {}

    def issue(self, request: TokenRequest, key: str) -> dict[str, Any]:
        """A new token, and what its receiver should know of it.

        Args:
            request: what is wanted.
            key: short name of the API key that asks, `""` where none is needed.
        """
        now_s = self._clock()
        expires_s = now_s + request.start_within_s
        claims = {
            "iss": _ISSUER,
            "aud": _AUDIENCE,
            "iat": now_s,
            "exp": expires_s,
            "jti": secrets.token_urlsafe(12),
            "sub": key,
            "scope": " ".join(request.scopes),
            "max_s": request.max_session_s,
        }
        return {
            "token": jwt.encode(claims, self._secret, _ALGORITHM),
            "expires_at": round(expires_s, 3),
            "start_within_s": request.start_within_s,
            "scopes": list(request.scopes),
            "max_session_s": request.max_session_s,
        }

    def judge(self, token: str, keys: Iterable[str]) -> Grant:
        """What a token allows, expired or not.

        Args:
            token: as it came.
            keys: short names of the keys that count now; a token of another one is worth nothing.

        Raises:
            Unauthorised: it is not ours, or was changed.
        """
        if len(token) > _LONGEST_CHARACTERS:
            raise Unauthorised("the token is not one of ours", reason="token_invalid")
        try:
            # The time is judged below, by the clock that was given. The algorithm is ours to say, never the token's.
            options: Any = {"require": list(_CLAIMS), "verify_exp": False, "verify_iat": False}
            claims = jwt.decode(token, self._secret, [_ALGORITHM], options=options, audience=_AUDIENCE, issuer=_ISSUER)
            expires_s, begins_s = float(claims["exp"]), float(claims["iat"])
        except (jwt.InvalidTokenError, TypeError, ValueError):
            raise Unauthorised("the token is not one of ours, or was changed", reason="token_invalid") from None
        now_s = self._clock()
        if begins_s > now_s + _SKEW_S or claims["sub"] not in keys:
            raise Unauthorised("the token is not valid here", reason="token_invalid")
        return Grant(
            id=claims["jti"],
            key=claims["sub"],
            scopes=tuple(claims["scope"].split()),
            max_session_s=claims.get("max_s"),
            expired=now_s >= expires_s,
        )

    # --- one session a token ----------------------------------------------------------------------------------

    def spend(self, grant: Grant) -> None:
        """A session begins with a token.

        Raises:
            Unauthorised: it has expired, or has had its session.
        """
        if grant.expired:
            raise Unauthorised("the token has expired; ask for a new one", reason="token_expired")
        now_s = self._clock()
        self._spent = {name: until_s for name, until_s in self._spent.items() if until_s > now_s}
        if grant.id in self._spent:
            raise Unauthorised("the token has had its session; ask for a new one", reason="token_used")
        # Remembered for as long as any token may live; after that it is refused as expired.
        self._spent[grant.id] = now_s + 600.0 + _SKEW_S

    def refund(self, grant: Grant) -> None:
        """The session that it was spent on never started (an unknown word, no capacity)."""
        self._spent.pop(grant.id, None)
