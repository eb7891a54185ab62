"""When a session waits for its client, and when it does not. What the client then gets is in `test_resume`."""

from __future__ import annotations

import asyncio
import json

import pytest

from engine.bundle import Bundle
from streaming.attendance import Attendance
from streaming.errors import BadMessage
from streaming.listener import Listener
from streaming.stream import Delivery
from tests.streaming.live import END, PATIENCE_S, START, framed_messages, house, listen, next_text, noise, talk


async def test_a_listener_that_forgets_nothing(identity: Bundle) -> None:
    told = {name for name in vars(Listener) if name.startswith("on_")}
    async with house(identity) as server, server.framed() as link:
        await link.send(json.dumps(START))
        await next_text(link, "started")
        runner = server.only_session()
        assert isinstance(runner, Attendance)
        # None of them is the protocol's own, empty one.
        assert all(getattr(type(runner), name) is not getattr(Listener, name) for name in told)


@pytest.mark.parametrize("mode", ["raw", "waiting", "ended", "refused"])
async def test_what_cannot_be_resumed_is_gone_with_its_connection(identity: Bundle, mode: str) -> None:
    async with house(identity, outbox_ms=60_000) as server:
        async with server.raw() if mode == "raw" else server.framed() as link:
            if mode in ("ended", "refused"):
                last = END if mode == "ended" else "{"
                heard = await talk(link, [json.dumps(START), framed_messages(noise(480).tobytes(), 2)[0], last])
                assert heard.close == (1000 if mode == "ended" else 4400)
            else:
                await (await link.ping())
                link.transport.abort()
        await server.empty()
        async with asyncio.timeout(PATIENCE_S):
            while list(server.live.shelf):  # noqa: ASYNC110 - nothing tells a test of it
                await asyncio.sleep(0)


async def test_a_session_that_starts_when_it_is_over_does_not_come_to_life(identity: Bundle) -> None:
    async with house(identity) as server, server.framed() as link:
        await link.send(json.dumps(START))
        started = await next_text(link, "started")
        runner = server.only_session()
        assert runner._stream is not None
        runner._kept = None
        runner.refuse(BadMessage("message", "sense", "nonsense"))
        # The inference thread knows nothing of it yet.
        runner._deliver(Delivery(runner._stream, texts=[started]))
        assert (await listen(link)).close == 4400
        await server.empty()
    async with house(identity) as server:
        for _ in range(50):
            async with server.framed() as link:
                assert (await talk(link, [json.dumps(START), "{"])).close == 4400
        await server.empty()
        assert not list(server.live.shelf)


async def test_coming_back_is_counted(identity: Bundle) -> None:
    async with house(identity) as server, server.framed() as first:
        await first.send(json.dumps(START))
        token = (await next_text(first, "started"))["resume_token"]
        async with server.framed() as second:
            await second.send(json.dumps({"type": "resume", "token": token}))
            await next_text(second, "resumed")
            # The first connection, which nobody knew to be dead, is cut.
            assert (await listen(first)).close == 1006
            async with server.web() as web:
                assert "winnow_sessions_resumed_total 1.0" in (await web.get("/metrics")).text
                (session,) = (await web.get("/v1/sessions")).json()["sessions"]
            assert session["state"] == "running"
            await second.send(END)
            assert (await listen(second)).close == 1000
