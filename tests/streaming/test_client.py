"""The SDK against the real server in the same loop: what is sent comes back, and nothing hangs when it does not."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import numpy as np
import pytest

from engine.bundle import Bundle
from engine.errors import BadInput, UnknownPrompt
from engine.frames import Samples
from engine.prompt import Target
from streaming import client_connection
from streaming.client import Disconnected, Hop, LiveClient
from streaming.errors import Refusal
from streaming.tokens import TokenRequest
from tests.streaming.live import PATIENCE_S, house
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


async def test_any_length_in_one_call(identity: Bundle) -> None:
    """Also more than a server takes in one message (2 s)."""
    samples = tone(3 * 48_000)
    async with house(identity) as home, LiveClient(home.url, prompt="speech", encoding="pcm_f32le") as live:
        hops = await talk(live, samples, size=samples.shape[1])
    # So much at once comes back faster than it is read, so that hops may be missing in between.
    for hop in hops["target/target"]:
        wanted = samples[:, hop.pts : hop.pts + hop.samples.shape[1]]
        np.testing.assert_allclose(hop.samples, wanted, atol=1e-6)
    assert hop.pts + hop.samples.shape[1] == samples.shape[1]
    assert (live.ended["audio_seconds"], live.totals.reconnects) == (3.0, 0)


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


class Scissors:
    """A network that breaks every now and then: after some thousand bytes, in the middle of anything, either way."""

    def __init__(self, port: int, seed: int, breaks: int) -> None:
        self._port, self._random, self._breaks = port, random.Random(seed), breaks
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.cut = 0

    async def __aenter__(self) -> str:
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        return f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aexit__(self, *error: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._port)
        budget = [self._random.randrange(2_000, 400_000) if self.cut < self._breaks else 1 << 40]

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            try:
                while data := await source.read(self._random.randrange(1, 5000)):
                    budget[0] -= len(data)
                    if budget[0] < 0:
                        break
                    sink.write(data)
                    await sink.drain()
            except OSError:
                pass
            self.cut += budget[0] < 0 and not writer.transport.is_closing()
            for end in (writer, back):
                if budget[0] < 0:
                    end.transport.abort()
                else:
                    end.close()

        for source, sink in ((reader, back), (there, writer)):
            task = asyncio.create_task(pump(source, sink))
            self._tasks.add(task)


@pytest.mark.parametrize("seed", range(6))
async def test_over_a_network_that_breaks_everything_comes_once(identity: Bundle, seed: int) -> None:
    samples = tone(3 * 48000 + seed)
    async with house(identity, outbox_ms=60_000) as home:
        scissors = Scissors(home.port, seed, breaks=4)
        async with scissors as url, LiveClient(url, prompt="speech", residual=True) as live:
            hops = await talk(live, samples)
        assert scissors.cut >= 2
        # Some are cut while they shake hands: those are attempts, not connections.
        assert 1 <= live.totals.resumes == live.totals.reconnects <= scissors.cut
    assert live.totals.lost_samples == 0
    for track in ("target/target", "residual"):
        ends = np.cumsum([hop.samples.shape[1] for hop in hops[track]])
        assert [hop.pts for hop in hops[track][1:]] == ends[:-1].tolist()
        assert not any(hop.discontinuity for hop in hops[track])
        assert [hop.last for hop in hops[track]].index(True) == len(hops[track]) - 1
    assert np.max(np.abs(joined(hops["target/target"]) - samples)) <= 1.0 / 32768
    assert np.max(np.abs(joined(hops["residual"]))) <= 2.0 / 32768


async def test_another_server_takes_over_with_the_discontinuity_flag(identity: Bundle) -> None:
    again = asyncio.Event()
    starts = 0

    def heard(event: dict[str, Any]) -> None:
        nonlocal starts
        starts += event["type"] == "started"
        if starts == 2:
            again.set()

    samples = tone(2 * 48000)
    async with house(identity, outbox_ms=60_000) as home, LiveClient(home.url, prompt="speech", on_event=heard) as live:
        await live.send(samples[:, :48000])
        first = await anext(live)
        runner = home.only_session()
        home.only_socket().transport.abort()
        async with asyncio.timeout(PATIENCE_S):
            while not runner.is_away:  # noqa: ASYNC110 - nothing tells a test of it
                await asyncio.sleep(0)
            runner.evict()  # what a new server would know of it: nothing
            await again.wait()
        hops = [first, *(await talk(live, samples[:, 48000:]))["target/target"]]
    assert (live.totals.reconnects, live.totals.resumes, live.totals.lost_samples) == (1, 0, 0)
    # It takes over where nothing had come back yet: the sound is whole, and the seam is named.
    torn = [hop for hop in hops if hop.discontinuity]
    assert len(torn) == 1
    assert np.max(np.abs(joined(hops) - samples)) <= 1.0 / 32768
    ends = np.cumsum([hop.samples.shape[1] for hop in hops])
    assert [hop.pts for hop in hops[1:]] == ends[:-1].tolist()


async def test_what_is_sent_without_a_connection_is_sent_later(identity: Bundle) -> None:
    samples = tone(2 * 48000)
    async with house(identity, outbox_ms=60_000) as home, LiveClient(home.url, prompt="speech") as live:
        await live.send(samples[:, :480])
        home.only_socket().transport.abort()
        async with asyncio.timeout(PATIENCE_S):
            while live._sender.socket is not None:  # noqa: ASYNC110 - nothing tells a test of it
                await asyncio.sleep(0)
        await live.send(samples[:, 480:48000])
        hops = (await talk(live, samples[:, 48000:]))["target/target"]
    assert live.totals.lost_samples == 0
    assert np.max(np.abs(joined(hops) - samples)) <= 1.0 / 32768


async def lost(live: LiveClient) -> None:
    """Until the client knows that its connection is gone."""
    async with asyncio.timeout(PATIENCE_S):
        while live._sender.socket is not None:  # noqa: ASYNC110 - nothing tells a test of it
            await asyncio.sleep(0)


async def test_what_is_wished_for_without_a_connection_is_told_later_in_order(identity: Bundle) -> None:
    async with house(identity, outbox_ms=60_000) as home:
        async with LiveClient(home.url, targets=[Target("a", "speech")]) as live:
            reading = asyncio.create_task(collect(live))
            await live.send(tone(4800))
            home.only_socket().transport.abort()
            await lost(live)
            async with asyncio.TaskGroup() as group:
                wishes = [
                    group.create_task(live.update([Target("b", "rain"), Target("c", "dog")])),
                    group.create_task(live.update([Target("b", "siren")])),
                    group.create_task(live.remove(["c"])),
                ]
            assert [wish.result()["type"] for wish in wishes] == ["updated"] * 3
            assert live.totals.resumes == 1
            now = {target["id"]: target["prompt"] for target in wishes[-1].result()["targets"]}
            assert now == {"a": "speech", "b": "siren"}
            await live.end()
            await reading


@pytest.mark.parametrize("heard", [True, False])
@pytest.mark.parametrize(("kind", "then"), [("update", {"a", "b", "c"}), ("remove", {"a"})])
async def test_a_wish_under_way_when_the_connection_breaks(
    identity: Bundle, kind: str, then: set[str], heard: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Heard or not, and though its answer is lost: it holds, and no error is made of asking twice."""
    answered, said = asyncio.Event(), asyncio.Event()

    async def swallow(message: str) -> None:
        said.set()

    def hear(event: dict[str, Any]) -> None:
        if event["type"] == "updated":
            answered.set()

    async with house(identity, outbox_ms=60_000) as home:
        targets = [Target("a", "speech"), Target("b", "rain")]
        async with LiveClient(home.url, targets=targets, on_event=hear) as live:
            reading = asyncio.create_task(collect(live))
            socket = live._sender.socket
            assert socket is not None
            with monkeypatch.context() as broken:
                broken.setattr(live._question, "answer", lambda event: None)  # it comes, and is not heard
                if not heard:
                    broken.setattr(socket, "send", swallow)
                wish = live.update([Target("c", "dog")]) if kind == "update" else live.remove(["b"])
                asking = asyncio.create_task(wish)
                async with asyncio.timeout(PATIENCE_S):
                    await (answered if heard else said).wait()
                socket.transport.abort()
                await lost(live)
            assert {target["id"] for target in (await asking)["targets"]} == then
            assert live.totals.resumes == 1
            await live.end()
            await reading


async def test_nobody_waits_for_a_connection_that_will_not_come(identity: Bundle) -> None:
    live = LiveClient("ws://127.0.0.1:9", prompt="speech")
    with pytest.raises(Disconnected):
        await live.update([Target("b", "rain")])
    async with house(identity, outbox_ms=60_000) as home:
        live = LiveClient(home.url, prompt="speech")
        async with live:
            home.only_socket().transport.abort()
            await lost(live)
            asking = asyncio.create_task(live.update([Target("b", "rain")]))
            await asyncio.sleep(0)
        with pytest.raises(Disconnected):
            await asking


async def test_without_reconnecting_a_lost_connection_is_the_end(identity: Bundle) -> None:
    async with house(identity, outbox_ms=60_000) as home:
        live = LiveClient(home.url, prompt="speech", reconnect_s=0.0)
        async with live:
            home.only_socket().transport.abort()
            with pytest.raises(Disconnected):
                await collect(live)
            with pytest.raises(Disconnected):
                await live.send(tone(480))
            with pytest.raises(Disconnected):
                await anext(live)  # and again: it does not hang


async def test_a_token_is_as_good_as_a_key(identity: Bundle) -> None:
    key = "a-key-of-sixteen-letters"
    async with house(identity, api_keys=(key,)) as home:
        token = home.live.gate.mint.issue(TokenRequest(), home.live.gate.owner(f"Key {key}"))["token"]
        async with LiveClient(home.url, prompt="speech", token=token) as live:
            assert len((await talk(live, tone(4800)))["target/target"]) > 0
        with pytest.raises(Refusal, match="token"):
            await LiveClient(home.url, prompt="speech", token=token).__aenter__()


async def test_nobody_there_is_said_at_once() -> None:
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    with pytest.raises(Disconnected, match=str(port)):
        await LiveClient(f"127.0.0.1:{port}", prompt="speech").__aenter__()


async def test_a_server_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_connection, "CONNECT_S", 0.2)
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
