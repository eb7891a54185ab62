"""TURN passwords: the scheme of coturn's REST API, checked against a value made by hand."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest

from engine.errors import BadInput
from streaming.ice_servers import IceServers


def test_a_password_is_the_hmac_of_name_and_end() -> None:
    servers = IceServers(["stun:a.example:3478", "turn:b.example:3478?transport=tcp"], b"north", ttl_s=600)
    stun, turn = servers.minted("session", now_s=1_700_000_000.9)
    assert stun.link() == '<stun:a.example:3478>; rel="ice-server"'
    assert stun.described() == {"urls": "stun:a.example:3478"}
    assert turn.username == "1700000600:session"
    wanted = base64.b64encode(hmac.new(b"north", b"1700000600:session", hashlib.sha1).digest()).decode()
    assert turn.credential == wanted
    assert turn.link() == (
        '<turn:b.example:3478?transport=tcp>; rel="ice-server"; username="1700000600:session"; '
        f'credential="{wanted}"; credential-type="password"'
    )
    assert turn.described() == {"urls": turn.url, "username": turn.username, "credential": wanted}
    assert turn.for_aiortc().credential == wanted


def test_each_session_has_its_own() -> None:
    servers = IceServers(["turn:b.example"], b"north")
    assert servers.minted("a", 0)[0].credential != servers.minted("b", 0)[0].credential
    assert servers.minted("a", 0)[0].credential != servers.minted("a", 1)[0].credential


def test_nothing_configured_is_nothing_told() -> None:
    assert IceServers([]).minted("a", 0) == []


@pytest.mark.parametrize("name", ["", "a:b", 'a"b', "x" * 65])
def test_names_that_would_break_a_header_are_refused(name: str) -> None:
    with pytest.raises(BadInput):
        IceServers(["turn:b.example"], b"s").minted(name, 0)
