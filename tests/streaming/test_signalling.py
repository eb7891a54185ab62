"""The HTTP shell around WHIP and WHEP: problems of every kind, CORS, bodies that grow too long."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from starlette.requests import Request

from engine.bundle import Bundle
from streaming.problem import Problem
from streaming.signalling import check_accept
from tests.streaming.live import house

KEY = "a-key-of-the-tests-0001"


@pytest.mark.parametrize(
    "accept", [None, "application/sdp", "*/*", "text/html, application/sdp;q=0.5", "application/*"]
)
def test_who_takes_sdp(accept: str | None) -> None:
    headers = [] if accept is None else [(b"accept", accept.encode())]
    check_accept(Request({"type": "http", "headers": headers}))


def test_who_takes_no_sdp() -> None:
    with pytest.raises(Problem) as refused:
        check_accept(Request({"type": "http", "headers": [(b"accept", b"text/html, image/png")]}))
    assert refused.value.status == 406


async def test_a_body_without_an_announced_length_is_cut_off(identity: Bundle) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield b"a=x\r\n" * 1000

    async with house(identity) as home, home.web() as http:
        response = await http.post("/v1/whip", content=endless(), headers={"Content-Type": "application/sdp"})
        assert response.status_code == 413


async def test_links_are_for_those_who_may_publish(identity: Bundle) -> None:
    relay = {"ice_servers": "turn:turn.example:3478", "turn_secret": "t" * 16}
    async with house(identity, api_keys=KEY, **relay) as home, home.web() as http:
        for url in ("/v1/whip", "/v1/whep/any/0"):
            assert "link" not in (await http.options(url)).headers
            known = {"Authorization": f"Key {KEY}"}
            assert "turn:turn.example" in (await http.options(url, headers=known)).headers["link"]
            preflight = known | {"Origin": home.http, "Access-Control-Request-Method": "POST"}
            answer = await http.options(url, headers=preflight)
            assert "link" not in answer.headers
            assert answer.headers["access-control-allow-origin"] == home.http


async def test_any_origin_where_the_operator_says_so(identity: Bundle) -> None:
    async with (
        house(identity, api_keys=KEY, allowed_origins="*") as home,
        home.web() as http,
    ):
        answer = await http.options("/v1/whip", headers={"Origin": "https://any.example"})
        assert answer.headers["access-control-allow-origin"] == "https://any.example"


async def test_what_is_not_done_here_says_what_is(identity: Bundle) -> None:
    async with house(identity) as home, home.web() as http:
        answer = await http.put("/v1/sessions/x.y")
        assert answer.status_code == 405
        assert set(answer.headers["allow"].split(", ")) == {"PATCH", "DELETE", "GET", "HEAD", "OPTIONS"}
