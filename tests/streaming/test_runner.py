"""The clock's limits and the bounds of inbox and outbox, over a real socket."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.asyncio.client import connect

from engine.bundle import Bundle, load_bundle
from engine.frames import Result, Work
from streaming.stream import Delivery
from tests.fakes import ManualClock
from tests.streaming.live import END, HEADER, START, cut, framed_messages, house, listen, next_text, noise, talk


@pytest.mark.parametrize("query", ["", "?prompt=speech"])
async def test_silence_of_the_client_ends_the_session(identity: Bundle, query: str) -> None:
    async with house(identity, idle_s=0.1) as server, connect(server.url + query) as link:
        heard = await talk(link, [])
    assert (heard.close, heard.error["code"]) == (4408, "idle")


@pytest.mark.parametrize("kind", ["json", "websocket"])
async def test_pings_count_against_idleness(identity: Bundle, kind: str) -> None:
    async with house(identity, idle_s=0.8, stats_s=0.2) as server:
        now = server.live.clock = ManualClock()
        async with server.raw() as link:
            # Longer than it may be silent, and never so long after a ping; it looks as often as it tells.
            for _ in range(6):
                if kind == "json":
                    await link.send('{"type":"ping"}')
                else:
                    await (await link.ping())
                await next_text(link, "stats")
                now.advance(0.5)
            await link.send(END)
            assert (await listen(link)).close == 1000


async def test_a_session_may_last_so_long(identity: Bundle) -> None:
    async with house(identity, idle_s=0.4, max_session_s=0.3) as server:
        now = server.live.clock = ManualClock()
        async with server.raw() as link:
            await next_text(link, "started")
            now.advance(5.0)  # it was silent for too long as well, but need not come back
            heard = await talk(link, [noise(480).tobytes()])
    assert (heard.close, heard.error["code"]) == (4408, "over_time")


async def test_a_raw_client_that_never_reads(identity: Bundle) -> None:
    async with house(identity, slow_consumer_s=0.3) as server:
        async with server.raw(encoding="pcm_f32le", channels=2) as link:
            await next_text(link, "started")
            link.transport.pause_reading()
            data = bytes(2 * 4 * 9600)
            peak_s = 0.0

            async def send() -> None:
                nonlocal peak_s
                while server.live.sessions:
                    await link.send(data)
                    for runner in server.live.sessions.values():
                        peak_s = max(peak_s, runner._outbox.seconds)

            sending = asyncio.create_task(send())
            async with server.raw() as other:
                sound = noise(48000).tobytes()
                assert (await talk(other, [sound, END])).sound == sound
            await server.empty()
            sending.cancel()
            # Never more than the outbox and what was in the engine when reading stopped.
            assert peak_s < 0.4 + 2.0 + 2.0
            link.transport.resume_reading()
            heard = await listen(link)
        assert heard.close == 1008
        assert heard.error["code"] == "slow_consumer"


async def test_a_framed_client_that_does_not_read_loses_oldest_hops_and_is_told(identity: Bundle) -> None:
    start: dict[str, Any] = {**START, "audio": {"encoding": "pcm_f32le", "sample_rate": 48000, "channels": 2}}
    async with house(identity) as server, server.framed() as link:
        await link.send(json.dumps(start))
        await next_text(link, "started")
        runner = server.only_session()
        link.transport.pause_reading()
        messages = iter(framed_messages(bytes(8 * 48000 * 60), 8))
        sent = 0
        while runner._outbox.dropped_hops < 50:
            await link.send(next(messages))
            sent += 1
            assert runner._outbox.seconds <= 0.4
        link.transport.resume_reading()
        await link.send(END)
        heard = await listen(link)
    assert heard.close == 1000
    assert heard.of("ended")[0]["dropped_frames"] >= 50
    for index in (0, 1):
        headers = heard.track(index)[1]
        assert [header[4] for header in headers] == list(range(len(headers)))
        gaps = [(gap["from"], gap["to"]) for gap in heard.of("gap") if gap["track"] == index]
        payloads = [(message, HEADER.unpack_from(message)) for message in heard.binary if message[2] == index]
        heard_spans = [(header[5], header[5] + (len(message) - 16) // 8) for message, header in payloads]
        # What came and what is named as missing make up the whole, without a hole or an overlap.
        spans = sorted(span for span in (*gaps, *heard_spans) if span[0] != span[1])
        assert spans[0][0] == 0
        assert all(left[1] == right[0] for left, right in itertools.pairwise(spans))
        assert spans[-1][1] == sent * 480


async def test_a_hundred_times_real_time_is_answered_to_the_sample() -> None:
    bundle = load_bundle("identity")
    step = bundle.program.step

    def slow(works: list[Work]) -> Iterator[list[Result]]:
        # Slower than the client sends, at any number of hops a step.
        time.sleep(0.002)
        return step(works)

    bundle.program.step = slow  # type: ignore[method-assign]
    data = noise(48000 * 12).tobytes()
    backlogs = []
    async with house(bundle, inbox_s=0.5) as server, server.raw() as link:
        await next_text(link, "started")
        stream = server.only_session()._stream
        assert stream is not None
        deliver = stream.deliver

        def seen(delivery: Delivery) -> None:
            backlogs.append(delivery.backlog_s)
            deliver(delivery)

        stream.deliver = seen
        heard = await talk(link, [*cut(data, 9600), END])
    assert heard.close == 1000
    assert heard.sound == data
    # What the inbox may hold, and what one read of the socket can bring (256 KiB).
    assert max(backlogs) < 0.5 + 2.8 + 0.2


async def test_stats_carry_the_contracts_members(identity: Bundle) -> None:
    async with house(identity, stats_s=0.05) as server, server.raw() as link:
        await link.send(noise(9600).tobytes())
        stats = await next_text(link, "stats")
    assert {"hops", "latency_ms", "compute_ms", "late_hops", "dropped_frames", "queue_ms"} <= stats.keys()
    assert stats["latency_ms"].keys() == {"p50", "p95", "p99"}
    assert stats["compute_ms"].keys() == {"p50", "p99"}
    assert stats["stages_ms"].keys() == {"queue", "model", "stitch", "send"}


async def test_stats_can_be_switched_off(identity: Bundle) -> None:
    async with house(identity, stats_s=0.01) as server, server.framed() as link:
        await link.send(json.dumps({**START, "stats": False}))
        await next_text(link, "started")
        # More pongs than stats could ever overtake.
        for _ in range(20):
            await link.send('{"type":"ping"}')
            assert json.loads(await link.recv())["type"] == "pong"
