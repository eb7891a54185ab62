"""Keys, subprotocols and origins, without a socket."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from streaming.auth import KeyRing, check_origin, choose_subprotocol
from streaming.errors import NotSupportedYet, Refusal, Unauthorised

KEY = "0123456789abcdef"


def test_a_known_key_is_let_in_and_named() -> None:
    ring = KeyRing([SecretStr("another-key-of-mine"), SecretStr(KEY)])
    assert ring.admit(f"Key {KEY}") == ring.admit(f"key  {KEY} ") != ""
    assert KEY not in repr(vars(ring))


@pytest.mark.parametrize("header", [None, "", "Key", "Key ", "Key wrong-key-of-mine", f"Basic {KEY}", KEY])
def test_anything_else_is_not(header: str | None) -> None:
    with pytest.raises(Unauthorised):
        KeyRing([SecretStr(KEY)]).admit(header)


def test_tokens_are_refused_by_name() -> None:
    with pytest.raises(NotSupportedYet, match="Authorization"):
        KeyRing([]).admit("Bearer abc")
    with pytest.raises(NotSupportedYet, match="Sec-WebSocket-Protocol"):
        choose_subprotocol(["winnow.v1", "token.abc"])


def test_without_keys_everybody_may_come() -> None:
    assert KeyRing([]).admit(None) == ""


def test_subprotocols() -> None:
    assert choose_subprotocol([]) is None
    assert choose_subprotocol(["chat", "winnow.v1"]) == "winnow.v1"
    with pytest.raises(Refusal, match="winnow"):
        choose_subprotocol(["chat"])


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
