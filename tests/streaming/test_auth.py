"""Keys, subprotocols and origins, without a socket."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from streaming.auth import Credentials, Gate, KeyRing, check_origin, choose_subprotocol
from streaming.errors import Refusal, Unauthorised
from streaming.tokens import Mint, TokenRequest
from tests.fakes import ManualClock

KEY = "0123456789abcdef"


def gate(*keys: str, clock: ManualClock | None = None) -> Gate:
    return Gate(KeyRing([SecretStr(key) for key in keys]), Mint(None, clock or ManualClock()))


def test_a_known_key_is_let_in_and_named() -> None:
    door = gate("another-key-of-mine", KEY)
    assert door.judge("live", f"Key {KEY}") == door.judge("read", f"key  {KEY} ")
    assert door.judge("live", f"Key {KEY}").key in door.keys.names
    assert KEY not in repr(vars(door.keys))


@pytest.mark.parametrize("header", [None, "", "Key", "Key ", "Key wrong-key-of-mine", f"Basic {KEY}", KEY])
def test_anything_else_is_not(header: str | None) -> None:
    for ask in (gate(KEY).owner, lambda header: gate(KEY).judge("live", header)):
        with pytest.raises(Unauthorised):
            ask(header)


def test_without_keys_everybody_may_come() -> None:
    assert gate().judge("live", None) == gate().judge("live", "Key anything") == Credentials()
    assert gate().owner(None) == ""


def test_a_token_opens_what_it_is_for_by_header_and_by_subprotocol() -> None:
    door = gate(KEY)
    token = door.mint.issue(TokenRequest(scopes=["live"]), door.owner(f"Key {KEY}"))["token"]
    found = door.judge("live", f"Bearer {token}")
    assert found == door.judge("live", None, ["winnow.v1", f"token.{token}"])
    assert found.key == door.judge("live", f"Key {KEY}").key
    for scope in ("read", "listen", "publish"):
        with pytest.raises(Refusal, match=scope) as refused:
            door.judge(scope, f"Bearer {token}")
        assert (refused.value.code, refused.value.close) == ("forbidden", 1008)
    with pytest.raises(Unauthorised):
        door.owner(f"Bearer {token}")  # a token mints no tokens
    with pytest.raises(Unauthorised):
        door.judge("live", "Key wrong-key-of-mine", [f"token.{token}"])  # the header goes first


@pytest.mark.parametrize("keys", [(), (KEY,)])
def test_a_bad_token_is_refused_even_where_none_is_needed(keys: tuple[str, ...]) -> None:
    for header, offered in (
        ("Bearer abc", ()),
        ("Bearer", ()),
        (None, ("winnow.v1", "token.abc")),
        (None, ("token.",)),
    ):
        with pytest.raises(Unauthorised) as refused:
            gate(*keys).judge("live", header, offered)
        assert refused.value.details["reason"] == "token_invalid"


def test_an_expired_token_is_let_in_only_to_resume() -> None:
    clock = ManualClock()
    door = gate(clock=clock)
    token = door.mint.issue(TokenRequest(), "")["token"]
    clock.advance(61.0)
    with pytest.raises(Unauthorised) as refused:
        door.judge("live", f"Bearer {token}")
    assert refused.value.details["reason"] == "token_expired"
    found = door.judge("live", f"Bearer {token}", resumes=True)
    assert found.grant is not None
    with pytest.raises(Unauthorised):
        door.mint.spend(found.grant)


def test_subprotocols() -> None:
    assert choose_subprotocol([]) is None
    assert choose_subprotocol(["chat", "winnow.v1"]) == "winnow.v1"
    with pytest.raises(Refusal, match="winnow"):
        choose_subprotocol(["chat"])
    with pytest.raises(Refusal, match="winnow") as refused:
        choose_subprotocol(["token.very-secret"])
    assert "very-secret" not in str(refused.value.wire())


@pytest.mark.parametrize(
    ("origin", "host", "keyless", "fine"),
    [
        (None, "127.0.0.1:8000", True, True),
        ("http://127.0.0.1:8000", "127.0.0.1:8000", True, True),
        ("http://localhost:8000", "localhost:8000", True, True),
        ("https://studio.example", "studio.example", False, True),
        ("https://studio.example:443", "studio.example", False, True),
        ("https://friend.example", "127.0.0.1:8000", True, True),
        ("HTTPS://Friend.example/", "127.0.0.1:8000", True, True),
        ("http://localhost:9000", "localhost:8000", True, False),
        ("http://evil.example", "127.0.0.1:8000", True, False),
        ("http://rebound.example:8000", "rebound.example:8000", True, False),
        ("http://friend.example.evil.example", "127.0.0.1:8000", True, False),
        ("null", "127.0.0.1:8000", True, False),
        ("", "127.0.0.1:8000", True, False),
        ("http://127.0.0.1:x", "127.0.0.1:8000", True, False),
        ("file://127.0.0.1:8000", "127.0.0.1:8000", True, False),
    ],
)
def test_origins(origin: str | None, host: str, keyless: bool, fine: bool) -> None:
    allowed = ["https://friend.example"]
    if fine:
        check_origin(origin, host, allowed, keyless=keyless)
    else:
        with pytest.raises(Refusal) as refused:
            check_origin(origin, host, allowed, keyless=keyless)
        assert refused.value.close == 1008
