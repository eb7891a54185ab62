"""How many sessions there may be, and how a server is stopped."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from websockets.asyncio.client import connect

from engine.bundle import Bundle
from streaming.capacity import Capacity
from tests.streaming.live import END, START, framed_messages, house, listen, next_text, noise, talk

KEY, OTHER = "0123456789abcdef", "fedcba9876543210"


async def test_no_more_sessions_than_the_ceiling(identity: Bundle) -> None:
    async with house(identity, max_sessions=1, retry_after_s=7.0) as server:
        async with server.raw() as first:
            await next_text(first, "started")
            async with server.web() as web:
                assert (await web.get("/readyz")).status_code == 503
            async with server.raw() as second:
                heard = await talk(second, [])
            assert (heard.close, heard.error["code"], heard.error["retry_after_s"]) == (1013, "no_capacity", 7.0)
            assert heard.error["retryable"] is True
            # A framed connection is let in, and refused when it asks for a session.
            async with server.framed() as third:
                assert (await talk(third, [json.dumps(START)])).close == 1013
        await server.empty()
        async with server.raw() as link:
            assert (await talk(link, [END])).close == 1000


async def test_sessions_by_measured_capacity(identity: Bundle) -> None:
    # A millionth of a hop is less than any step takes: the second session is one too many.
    async with house(identity, capacity_share=1e-6) as server:
        async with server.raw() as first:
            await first.send(noise(4800).tobytes())
            assert isinstance(await next_text(first, "started"), dict)
            while not isinstance(await first.recv(), bytes):
                pass
            async with server.raw() as second:
                heard = await talk(second, [])
            assert (heard.close, heard.error["code"]) == (1013, "no_capacity")
            await first.send(END)
            assert (await listen(first)).close == 1000
        await server.empty()
        # An empty server always takes one, or it could never learn that it is free again.
        async with server.raw() as link:
            assert (await talk(link, [END])).close == 1000


async def test_room_comes_back_when_the_last_session_is_gone(identity: Bundle) -> None:
    """Room is measured between ticks, and an idle server makes none."""
    async with house(identity) as server:
        async with server.raw() as link:
            await link.send(noise(4800).tobytes())
            assert isinstance(await next_text(link, "started"), dict)
            server.live.worker.room = 0  # as a tick finds that carries all it can
            await link.send(END)
            assert (await listen(link)).close == 1000
        await server.empty()
        assert server.live.worker.room > 0


class Rows(Capacity):
    """A machine that carries this many rows, whatever its ticks say."""

    def __init__(self, rows: int) -> None:
        super().__init__(limit_s=1.0)
        self._rows = rows

    @property
    def most_rows(self) -> int:
        """See `Capacity`."""
        return self._rows


def update(*prompts: str) -> str:
    """A message with targets that are named by what they ask for."""
    return json.dumps({"type": "update", "targets": [{"id": prompt, "prompt": prompt} for prompt in prompts]})


async def test_an_update_asks_for_room_and_gives_it_back(identity: Bundle) -> None:
    start = json.dumps({**START, "return": ["target"]})
    async with house(identity, retry_after_s=7.0) as server:
        worker = server.live.worker
        worker._capacity = Rows(4)
        async with server.framed() as first, server.framed() as second:
            for link in (first, second):
                await link.send(start)
                await next_text(link, "started")
            await first.send(update("dog", "siren", "rain"))
            refused = await next_text(first, "error")
            assert (refused["code"], refused["retryable"], refused["retry_after_s"]) == ("no_capacity", True, 7.0)
            assert "close_code" not in refused
            await first.send(update("dog", "siren"))
            grown = await next_text(first, "updated")
            assert [track["name"] for track in grown["tracks"]] == ["voice/target", "dog/target", "siren/target"]
            assert worker.room == 0
            await second.send(update("rain"))
            assert (await next_text(second, "error"))["code"] == "no_capacity"
            # What takes nothing more is no question of room.
            await second.send('{"type":"update","targets":[{"id":"voice","prompt":"rain","gain_db":3}]}')
            assert (await next_text(second, "updated"))["targets"][0]["prompt"] == "rain"
            async with server.framed() as third:
                told = (await talk(third, [start])).error
                assert (told["code"], told["retry_after_s"]) == ("no_capacity", 7.0)
            # Two that listen for the same take one place.
            await first.send('{"type":"update","targets":[{"id":"siren","prompt":"dog"}]}')
            await next_text(first, "updated")
            assert worker.room == 1
            await second.send(update("siren"))
            assert len((await next_text(second, "updated"))["targets"]) == 2
            await first.send('{"type":"remove","targets":["dog","siren"]}')
            await next_text(first, "updated")
            assert worker.room == 1
            for link in (first, second):
                heard = await talk(link, [*framed_messages(noise(4800).tobytes(), 2), END])
                assert (heard.close, len(heard.track(0)[0])) == (1000, 9600)


async def test_the_only_session_grows_no_further_than_there_is_room(identity: Bundle) -> None:
    async with house(identity, capacity_share=1e-6) as server, server.framed() as link:
        await link.send(json.dumps(START))
        await next_text(link, "started")
        await link.send(update("dog", "siren", "rain"))
        assert (await next_text(link, "error"))["code"] == "no_capacity"
        assert (await talk(link, [END])).close == 1000


@pytest.mark.parametrize(
    ("settings", "limited_by"),
    [
        ({"max_sessions": 1}, "max_sessions"),
        ({"capacity_share": 1e-6}, "tick"),
        ({"max_sessions": 10**6, "capacity_share": 0.6}, "rows"),
    ],
)
async def test_readiness_says_what_there_is_least_of(
    identity: Bundle, settings: dict[str, Any], limited_by: str
) -> None:
    async with house(identity, **settings) as server, server.web() as web:
        told = (await web.get("/readyz")).json()
    assert told["limited_by"] == limited_by
    cost_ms = told["tick_before_rows_ms"] + told["room"] * told["tick_row_ms"]
    assert told["tick_row_ms"] > 0
    # The room and its reason are of the same numbers: that many rows fit, and one more does not.
    assert (told["room"] == 0) == (limited_by == "tick")
    if told["room"]:
        assert cost_ms <= told["tick_limit_ms"] * 1.01
    assert cost_ms + told["tick_row_ms"] >= told["tick_limit_ms"] * 0.99


async def test_sessions_of_one_key(identity: Bundle) -> None:
    mine, yours = ({"Authorization": f"Key {key}"} for key in (KEY, OTHER))
    async with house(identity, api_keys=(KEY, OTHER), max_sessions_per_key=1) as server:
        url = f"{server.url}?prompt=speech"
        async with connect(url, additional_headers=mine) as first:
            await next_text(first, "started")
            async with connect(url, additional_headers=mine) as second:
                heard = await talk(second, [])
            assert (heard.close, heard.error["code"]) == (4429, "too_many_sessions")
            async with connect(url, additional_headers=yours) as third:
                assert (await talk(third, [END])).close == 1000


async def test_drain_flushes_tells_and_closes(identity: Bundle) -> None:
    async with house(identity) as server:
        sound = noise(4800).tobytes()
        async with server.raw() as link, server.framed() as waiting:
            await link.send(sound)
            await next_text(link, "started")
            draining = asyncio.create_task(server.live.drain())
            heard = await listen(link)
            assert heard.close == 1001
            assert heard.error["code"] == "draining"
            assert heard.error["retryable"] is True
            await draining
            # Nothing new is let in, and it says so.
            async with server.raw() as late:
                told = await talk(late, [])
            assert (told.close, told.error["code"]) == (1013, "draining")
            told = await talk(waiting, [json.dumps(START)])
            assert (told.close, told.error["code"]) == (1013, "draining")
        async with server.web() as web:
            answer = await web.get("/readyz")
        assert (answer.status_code, answer.json()["reason"]) == (503, "draining")


async def test_drain_gives_out_every_sample_that_was_sent(identity: Bundle) -> None:
    async with house(identity) as server, server.raw() as link:
        sound = noise(4803).tobytes()
        await link.send(sound)
        # The pong says that the sound before it was read.
        await link.send('{"type":"ping"}')
        received = b""
        while isinstance(message := await link.recv(), bytes) or json.loads(message)["type"] != "pong":
            received += message if isinstance(message, bytes) else b""
        draining = asyncio.create_task(server.live.drain())
        heard = await listen(link)
        await draining
    assert received + heard.sound == sound


async def test_a_client_that_does_not_read_does_not_hold_up_the_stop(identity: Bundle) -> None:
    async with house(identity, drain_s=0.2) as server, server.raw() as link:
        await next_text(link, "started")
        link.transport.pause_reading()
        runner = server.only_session()

        async def send() -> None:
            while True:
                await link.send(noise(48000).tobytes())

        sending = asyncio.create_task(send())
        while not runner._outbox:  # noqa: ASYNC110 - nothing tells a test of it, and waiting costs no time
            await asyncio.sleep(0)
        await server.live.drain()
        assert runner._outbox, "the client has read nothing, and the stop did not wait for it"
        sending.cancel()
        link.transport.abort()
