"""Short-lived tokens without a socket: what they carry, when they end, and that nobody can make or change one."""

from __future__ import annotations

import base64
import json
from typing import Any

import jwt
import pytest

from streaming.errors import BadMessage, Unauthorised
from streaming.tokens import Mint, TokenRequest, parse_request
from tests.fakes import ManualClock

SECRET = "a secret of thirty-two bytes or more"
KEYS = ("abcdef", "012345")


def claims_of(token: str) -> dict[str, Any]:
    return jwt.decode(token, options={"verify_signature": False})


def signed(claims: dict[str, Any], secret: str = SECRET, algorithm: str = "HS256") -> str:
    return jwt.encode(claims, secret, algorithm)


@pytest.fixture
def clock() -> ManualClock:
    clock = ManualClock()
    clock.advance(1.8e9)
    return clock


@pytest.fixture
def mint(clock: ManualClock) -> Mint:
    return Mint(SECRET, clock)


def test_a_token_says_what_it_was_minted_for(mint: Mint, clock: ManualClock) -> None:
    told = mint.issue(TokenRequest(scopes=["live", "listen"], max_session_s=90), KEYS[0])
    assert told["expires_at"] == clock() + 60.0
    assert (told["scopes"], told["max_session_s"], told["start_within_s"]) == (["live", "listen"], 90.0, 60.0)
    grant = mint.judge(told["token"], KEYS)
    assert (grant.key, grant.scopes, grant.max_session_s, grant.expired) == (KEYS[0], ("live", "listen"), 90.0, False)
    # Another server with the same secret agrees; one without it does not.
    assert Mint(SECRET, clock).judge(told["token"], KEYS) == grant
    with pytest.raises(Unauthorised):
        Mint(None, clock).judge(told["token"], KEYS)


def test_it_expires_by_the_clock(mint: Mint, clock: ManualClock) -> None:
    token = mint.issue(TokenRequest(start_within_s=60.0), KEYS[0])["token"]
    clock.advance(59.9)
    assert not mint.judge(token, KEYS).expired
    clock.advance(0.1)
    grant = mint.judge(token, KEYS)
    assert grant.expired
    with pytest.raises(Unauthorised) as refused:
        mint.spend(grant)
    assert refused.value.details["reason"] == "token_expired"


def test_it_starts_one_session(mint: Mint, clock: ManualClock) -> None:
    grant, other = (mint.judge(mint.issue(TokenRequest(start_within_s=600.0), KEYS[0])["token"], KEYS) for _ in "ab")
    mint.spend(grant)
    with pytest.raises(Unauthorised) as refused:
        mint.spend(grant)
    assert refused.value.details["reason"] == "token_used"
    mint.spend(other)
    mint.refund(grant)
    mint.spend(grant)
    # It is remembered for longer than it could be used, and not for ever.
    clock.advance(599.0)
    with pytest.raises(Unauthorised):
        mint.spend(grant)
    clock.advance(10.0)
    mint.spend(mint.judge(mint.issue(TokenRequest(), KEYS[0])["token"], KEYS))
    assert len(mint._spent) == 1


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_changed_token_is_worth_nothing(mint: Mint, part: int) -> None:
    token = mint.issue(TokenRequest(), KEYS[0])["token"]
    parts = token.split(".")
    for at in range(0, len(parts[part]) - 2, 3):
        letter = "A" if parts[part][at] != "A" else "B"
        changed = [*parts[:part], parts[part][:at] + letter + parts[part][at + 1 :], *parts[part + 1 :]]
        with pytest.raises(Unauthorised) as refused:
            mint.judge(".".join(changed), KEYS)
        assert refused.value.details["reason"] == "token_invalid"


def test_tokens_that_others_sign(mint: Mint, clock: ManualClock) -> None:
    claims = claims_of(mint.issue(TokenRequest(), KEYS[0])["token"])
    assert mint.judge(signed(claims), KEYS)
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    head = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()
    forged = [
        signed(claims, "another secret of thirty-two bytes!!"),
        signed(claims, SECRET * 2, "HS512"),
        f"{head}.{body}.",
        signed({**claims, "aud": "somebody else"}),
        signed({**claims, "iss": "somebody else"}),
        signed({**claims, "sub": "a key that was taken back"}),
        signed({**claims, "iat": clock() + 3600.0}),
        signed({**claims, "exp": "tomorrow"}),
        signed({name: value for name, value in claims.items() if name != "exp"}),
        signed({name: value for name, value in claims.items() if name != "jti"}),
        "", "x", "..", "a.b.c", "é", "x" * 100_000,
    ]  # fmt: skip
    for token in forged:
        with pytest.raises(Unauthorised) as refused:
            mint.judge(token, KEYS)
        assert token not in str(refused.value) or not token


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{", "message"),
        (b"[]", "message"),
        (b'{"scopes":[]}', "scopes"),
        (b'{"scopes":["everything"]}', "scopes.0"),
        (b'{"scopes":"live"}', "scopes"),
        (b'{"start_within_s":0}', "start_within_s"),
        (b'{"start_within_s":601}', "start_within_s"),
        (b'{"start_within_s":"60"}', "start_within_s"),
        (b'{"max_session_s":-1}', "max_session_s"),
        (b'{"max_session_s":NaN}', "max_session_s"),
        (b'{"ttl":5}', "ttl"),
    ],
)
def test_what_is_wrong_in_a_request_is_named(body: bytes, field: str) -> None:
    with pytest.raises(BadMessage) as refused:
        parse_request(body)
    assert refused.value.details["field"] == field


def test_a_request_has_defaults() -> None:
    assert parse_request(b"") == parse_request(b"{}") == TokenRequest()
    assert parse_request(b'{"scopes":["live","live"],"max_session_s":null}').scopes == ["live"]
