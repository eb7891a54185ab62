"""The SDK against the real server in the same loop: what is sent comes back, and nothing hangs when it does not."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from engine.bundle import Bundle
from engine.errors import BadInput, UnknownPrompt
from engine.frames import Samples
from engine.prompt import Target
from streaming import client
from streaming.client import Disconnected, Hop, LiveClient
from streaming.errors import Refusal
from tests.streaming.live import house
from tests.streaming.media_files import tone


async def talk(live: LiveClient, samples: Samples, size: int = 480) -> dict[str, list[Hop]]:
    """Send everything and the end, and read every hop."""

    async def send() -> None:
        for start in range(0, samples.shape[1], size):
            await live.send(samples[:, start : start + size])
        await live.end()

    async with asyncio.TaskGroup() as group:
        group.create_task(send())
        hops = await group.create_task(collect(live))
    return hops


async def collect(live: LiveClient) -> dict[str, list[Hop]]:
    hops: dict[str, list[Hop]] = {}
    async for hop in live:
        hops.setdefault(hop.track, []).append(hop)
    return hops


def joined(hops: list[Hop]) -> Samples:
    return np.concatenate([hop.samples for hop in hops], axis=1)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("encoding", ["pcm_f32le", "pcm_s16le"])
async def test_what_is_sent_comes_back_in_its_place(identity: Bundle, channels: int, encoding: str) -> None:
    samples = tone(48000 + 123, channels)
    async with house(identity, outbox_ms=60_000) as home:
        async with LiveClient(home.url, prompt="speech", channels=channels, encoding=encoding, residual=True) as live:
            hops = await talk(live, samples, 479)
            assert live.ended["samples_received"] == samples.shape[1]
    target, residual = hops["target/target"], hops["residual"]
    step = 0.0 if encoding == "pcm_f32le" else 2.0 / 32768
    assert np.max(np.abs(joined(target) - samples)) <= 1e-6 + step
    assert np.max(np.abs(joined(target) + joined(residual) - samples)) <= 1e-6 + step
    ends = np.cumsum([hop.samples.shape[1] for hop in target])
    assert [hop.pts for hop in target[1:]] == ends[:-1].tolist()
    assert target[-1].last
    assert not any(hop.discontinuity for hop in target)
    assert all(hop.latency_s is not None and hop.latency_s > 0.0 for hop in target)


async def test_targets_can_be_changed_while_it_runs(identity: Bundle) -> None:
    async with house(identity, outbox_ms=60_000) as home:
        async with LiveClient(home.url, targets=[Target("a", "speech")]) as live:
            reading = asyncio.create_task(collect(live))
            await live.send(tone(48000))
            updated = await live.update([Target("b", "rain", gain_db=-6.0)])
            assert {track["name"] for track in updated["tracks"]} == {"a/target", "b/target"}
            with pytest.raises(UnknownPrompt) as caught:
                await live.update([Target("c", "zorgle")])
            assert len(caught.value.suggestions) == 3
            await live.send(tone(48000))
            await live.remove(["a"])
            with pytest.raises(Refusal):
                await live.remove(["nobody"])
            await live.flush()
            await live.send(tone(48000))
            await live.end()
            hops = await reading
    assert set(hops) == {"a/target", "b/target"}
    assert hops["a/target"][-1].last
    assert hops["b/target"][-1].pts + hops["b/target"][-1].samples.shape[1] == 3 * 48000


async def test_an_unknown_prompt_is_refused_at_the_door(identity: Bundle) -> None:
    async with house(identity, outbox_ms=60_000) as home:
        with pytest.raises(UnknownPrompt) as caught:
            await LiveClient(home.url, prompt="zorgle").__aenter__()
        assert caught.value.prompt == "zorgle"
        with pytest.raises(Refusal, match="model"):
            await LiveClient(home.url, prompt="speech", model="no_such").__aenter__()


async def test_a_key_is_asked_for_and_sent(identity: Bundle) -> None:
    key = "a-key-of-sixteen-letters"
    async with house(identity, api_keys=(key,)) as home:
        with pytest.raises((Disconnected, Refusal)):
            await LiveClient(home.url, prompt="speech").__aenter__()
        async with LiveClient(home.url, prompt="speech", api_key=key) as live:
            assert live.started["tracks"]


async def test_a_lost_connection_is_replaced_and_flagged(identity: Bundle) -> None:
    again = asyncio.Event()
    starts = 0

    def heard(event: dict[str, Any]) -> None:
        nonlocal starts
        starts += event["type"] == "started"
        if starts == 2:
            again.set()

    samples = tone(48000)
    async with house(identity, outbox_ms=60_000) as home, LiveClient(home.url, prompt="speech", on_event=heard) as live:
        await live.send(samples)
        first = await anext(live)
        home.only_session().socket.transport.abort()
        async with asyncio.timeout(20):
            await again.wait()
        assert live.totals.reconnects == 1
        gone = live.totals.sent_samples
        hops = (await talk(live, samples))["target/target"]
    assert not first.discontinuity
    flagged = [hop for hop in hops if hop.discontinuity]
    assert len(flagged) == 1
    assert flagged[0].pts == gone  # pts goes on counting what was sent
    assert hops[-1].pts + hops[-1].samples.shape[1] == gone + 48000


async def test_what_is_sent_without_a_connection_is_counted_as_lost(identity: Bundle) -> None:
    async with house(identity, outbox_ms=60_000) as home:
        live = LiveClient(home.url, prompt="speech", reconnect_s=0.0)
        async with live:
            home.only_session().socket.transport.abort()
            with pytest.raises(Disconnected):
                await collect(live)
            with pytest.raises(Disconnected):
                await live.send(tone(480))
            with pytest.raises(Disconnected):
                await anext(live)  # and again: it does not hang


async def test_nobody_there_is_said_at_once() -> None:
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    with pytest.raises(Disconnected, match=str(port)):
        await LiveClient(f"127.0.0.1:{port}", prompt="speech").__aenter__()


async def test_a_server_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_CONNECT_S", 0.2)
    done = asyncio.Event()

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await done.wait()
        writer.close()

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    try:
        with pytest.raises(Disconnected):
            await LiveClient(f"127.0.0.1:{server.sockets[0].getsockname()[1]}", prompt="speech").__aenter__()
    finally:
        done.set()
        server.close()
        await server.wait_closed()


async def test_misuse_is_refused(identity: Bundle) -> None:
    async with house(identity, outbox_ms=60_000) as home, LiveClient(home.url, prompt="speech") as live:
        with pytest.raises(BadInput, match="samples"):
            await live.send(tone(480, 2))
        await live.end()
        with pytest.raises(Disconnected):
            await live.send(tone(480))
    assert await collect(live) == {}  # closed: nothing comes, and nothing hangs


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({}, "targets"),
        ({"prompt": "speech", "targets": [Target("a", "rain")]}, "targets"),
        ({"prompt": "speech", "channels": 3}, "channels"),
        ({"prompt": "speech", "encoding": "mp3"}, "encoding"),
    ],
)
async def test_arguments_are_checked(options: dict[str, Any], field: str) -> None:
    with pytest.raises(BadInput) as caught:
        LiveClient("localhost:1", **options)
    assert caught.value.field == field
