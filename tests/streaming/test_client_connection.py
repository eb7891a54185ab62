"""How a connection begins: with what is asked for, or with the reason why not."""

from __future__ import annotations

from typing import Any

import pytest

from engine.bundle import Bundle
from engine.errors import UnknownPrompt
from streaming.client_connection import agree, authorization, open_socket
from streaming.client_wire import Disconnected
from tests.streaming.live import START, house


def test_who_we_are() -> None:
    assert authorization("secret", None) == {"Authorization": "Key secret"}
    assert authorization(None, "a.b.c") == {"Authorization": "Bearer a.b.c"}
    assert authorization(None, None) == {}


async def test_a_session_begins_or_goes_on(identity: Bundle) -> None:
    async with house(identity) as home:
        first = await open_socket(home.url, {})
        started = await agree(first, START, None)
        resume: dict[str, Any] = {"type": "resume", "token": started["resume_token"], "received": {}}
        second = await open_socket(home.url, {})
        assert (await agree(second, START, resume))["session"] == started["session"]
        third = await open_socket(home.url, {})
        answer = await agree(third, START, {**resume, "token": "of another server"})
        assert answer["type"] == "started"
        assert answer["session"] != started["session"]
        for socket in (first, second, third):
            await socket.close()


async def test_a_refusal_is_the_error_it_stands_for(identity: Bundle) -> None:
    async with house(identity) as home:
        socket = await open_socket(home.url, {})
        with pytest.raises(UnknownPrompt):
            await agree(socket, {**START, "targets": [{"id": "a", "prompt": "zorgle"}]}, None)
        with pytest.raises(Disconnected, match="403"):
            await open_socket(home.url.replace("live", "nowhere"), {})
