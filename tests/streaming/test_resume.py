"""A session whose connection breaks: its client comes back and gets what it lacks, and nothing twice."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import websockets
from websockets.asyncio.client import ClientConnection

from engine.bundle import Bundle
from streaming.errors import BadMessage, Refusal
from streaming.protocol import FLAG_DISCONTINUITY, FLAG_LAST, pack_header, unpack_header
from streaming.resume import Journal
from streaming.stream import Hop
from tests.fakes import ManualClock
from tests.streaming.live import (
    END,
    HEADER,
    PATIENCE_S,
    START,
    House,
    framed_messages,
    house,
    listen,
    next_text,
    noise,
    talk,
)

HOP = 480


# --- the journal, without a server ----------------------------------------------------------------------------------


def hop(track: int, begin: int, end: int, flags: int = 0) -> Hop:
    """Samples that say where they stand: sample n is n mod 256, twice."""
    payload = b"".join(bytes((n % 256, n % 256)) for n in range(begin, end))
    return Hop(track, begin, end, 0, pack_header(track, flags, 0, begin) + payload)


def journal(hops: int, limit: int = 5 * HOP, tracks: int = 2) -> Journal:
    kept = Journal(limit, 2)
    for index in range(hops):
        for track in range(tracks):
            kept.add(hop(track, index * HOP, (index + 1) * HOP))
    return kept


def spans(kept: Journal, received: dict[int, int], track: int) -> list[tuple[int, int]]:
    return [(one.begin, one.end) for one in kept.lacking(received) if one.track == track]


def test_what_was_not_received_comes_again_and_what_is_too_old_is_named() -> None:
    kept = journal(20)
    received = {0: 17 * HOP, 1: 3 * HOP}
    assert spans(kept, received, 0) == [(17 * HOP, 18 * HOP), (18 * HOP, 19 * HOP), (19 * HOP, 20 * HOP)]
    assert spans(kept, received, 1)[0] == (15 * HOP, 16 * HOP)
    assert list(kept.gaps(received)) == [(1, 3 * HOP, 15 * HOP)]
    # A track that the client has never heard of is sent from its beginning on.
    assert list(kept.gaps({})) == [(0, 0, 15 * HOP), (1, 0, 15 * HOP)]


def test_half_a_hop_is_cut() -> None:
    kept = journal(4)
    first, *rest = kept.lacking({0: HOP + 100, 1: 4 * HOP})
    assert (first.begin, first.end) == (HOP + 100, 2 * HOP)
    assert first.message[16:] == hop(0, HOP + 100, 2 * HOP).message[16:]
    assert unpack_header(first.message).pts == HOP + 100
    assert [one.begin for one in rest] == [2 * HOP, 3 * HOP]


def test_it_holds_so_much_sound_whatever_the_tracks_do() -> None:
    kept = journal(3, tracks=1)
    # A jump is no sound: what was before it is still kept.
    kept.add(hop(0, 10**9, 10**9 + HOP, FLAG_DISCONTINUITY))
    assert spans(kept, {}, 0)[0] == (0, HOP)
    for index in range(1, 1000):
        kept.add(hop(index % 7 + 1, 10**9 + index * HOP, 10**9 + (index + 1) * HOP))
        assert len(kept._hops) <= 6
    assert (0, 0, 10**9 + HOP) in list(kept.gaps({}))


def test_an_empty_last_hop_comes_again() -> None:
    kept = journal(2, tracks=1)
    kept.add(hop(0, 2 * HOP, 2 * HOP, FLAG_LAST))
    assert spans(kept, {0: 2 * HOP}, 0) == [(2 * HOP, 2 * HOP)]


@pytest.mark.parametrize("received", [{0: 20 * HOP + 1}, {0: -1}, {7: 480}])
def test_nobody_has_what_was_never_made(received: dict[int, int]) -> None:
    with pytest.raises(BadMessage, match="received"):
        journal(20).check(received)
    journal(20).check({0: 20 * HOP, 1: 0, 7: 0})


# --- over real sockets ------------------------------------------------------------------------------------------------


@dataclass
class Listener:
    """A client that knows the contract and nothing else: what it has of every track, by pts."""

    token: str = ""
    expects: int = 0
    sound: dict[int, list[tuple[int, bytes]]] = field(default_factory=dict)
    gaps: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    texts: list[dict[str, Any]] = field(default_factory=list)
    close: int | None = None

    def received(self) -> dict[str, int]:
        ends = {
            track: max((pts + len(data) // 2 for pts, data in found), default=0) for track, found in self.sound.items()
        }
        for track, gaps in self.gaps.items():
            ends[track] = max(ends.get(track, 0), *(end for _, end in gaps))
        return {str(track): end for track, end in ends.items()}

    def resume(self) -> str:
        return json.dumps({"type": "resume", "token": self.token, "received": self.received()})

    def hear(self, message: bytes | str) -> None:
        if isinstance(message, bytes):
            header = HEADER.unpack_from(message)
            self.sound.setdefault(header[2], []).append((header[5], message[16:]))
            return
        text = json.loads(message)
        self.texts.append(text)
        match text["type"]:
            case "started":
                self.token = text["resume_token"]
            case "resumed":
                self.expects = text["expects"]
            case "gap":
                self.gaps.setdefault(text["track"], []).append((text["from"], text["to"]))

    def check(self, track: int, whole: bytes) -> int:
        """Sound and gaps make up the whole, without a hole or an overlap; the samples lost."""
        position = lost = 0
        pieces = [(pts, pts + len(data) // 2, data) for pts, data in self.sound.get(track, []) if data]
        pieces += [(begin, end, b"") for begin, end in self.gaps.get(track, [])]
        for begin, end, data in sorted(pieces):
            assert begin == position, f"track {track}: {begin} follows {position}"
            position = end
            if data:
                assert data == whole[2 * begin : 2 * end]
            else:
                lost += end - begin
        assert position == len(whole) // 2
        return lost


@pytest.fixture
async def server(identity: Bundle) -> AsyncIterator[House]:
    """A server with the identity bundle; what waits for a client that reads is never too much."""
    async with house(identity, outbox_ms=60_000) as running:
        yield running


async def read(link: ClientConnection, listener: Listener, until: str) -> None:
    """Listen until a text of this type."""
    async with asyncio.timeout(PATIENCE_S):
        while not listener.texts or listener.texts[-1]["type"] != until:
            listener.hear(await link.recv())


async def lost(server: House) -> None:
    """Until the server has noticed that its session has no client."""
    async with asyncio.timeout(PATIENCE_S):
        while not len(server.live.shelf):  # noqa: ASYNC110 - nothing tells a test of it, and waiting costs no time
            await asyncio.sleep(0)


async def run_with_breaks(server: House, data: bytes, breaks: random.Random, times: int) -> Listener:
    """Send everything, with the connection broken at any point by either side, until the end has come through."""
    listener = Listener()
    messages = framed_messages(data, 2, size=HOP)
    half_open: list[ClientConnection] = []
    while listener.close != 1000:
        link = await server.framed()
        if listener.token:
            await link.send(listener.resume())
            await read(link, listener, "resumed")
        else:
            await link.send(json.dumps(START))
            await read(link, listener, "started")
        budget = breaks.randrange(1, 400) if times > 0 else 10**9
        await talk_for(link, listener, messages[listener.expects // HOP :], breaks, budget)
        if listener.close == 1000:
            break
        times -= 1
        # Broken by a reset, or (half open) by nothing that the server could notice.
        if breaks.random() < 0.3:
            link.transport.pause_reading()  # or the library would answer the server's close frame
            half_open.append(link)
        else:
            link.transport.abort()
    for link in half_open:
        link.transport.abort()
    return listener


async def talk_for(
    link: ClientConnection, listener: Listener, messages: list[bytes], breaks: random.Random, budget: int
) -> None:
    """Send and hear so many messages, then stop in the middle of whatever it is."""

    async def send() -> None:
        try:
            for message in messages:
                await link.send(message)
                if breaks.random() < 0.2:
                    await asyncio.sleep(0)
            await link.send(END)
        except websockets.ConnectionClosed:
            pass

    sending = asyncio.create_task(send())
    try:
        async with asyncio.timeout(PATIENCE_S):
            for _ in range(budget):
                listener.hear(await link.recv())
    except websockets.ConnectionClosed:
        listener.close = link.close_code
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    if link.protocol.close_rcvd is not None:
        # The library has said goodbye for us already: what lies unread came before that, and nothing can break now.
        with contextlib.suppress(websockets.ConnectionClosed):
            while True:
                listener.hear(await link.recv())
        listener.close = link.close_code


@pytest.mark.parametrize("seed", range(12))
async def test_a_stream_with_breaks_equals_the_unbroken_one(server: House, seed: int) -> None:
    breaks = random.Random(seed)
    data = noise(HOP * 150 + breaks.randrange(HOP), seed=seed).tobytes()
    listener = await run_with_breaks(server, data, breaks, times=breaks.randrange(1, 6))
    assert listener.check(0, data) == 0
    assert listener.check(1, bytes(len(data))) == 0
    (ended,) = [text for text in listener.texts if text["type"] == "ended"]
    assert ended["samples_received"] >= len(data) // 2
    await server.empty()


@pytest.mark.parametrize("seed", range(4))
async def test_what_is_too_old_is_named_and_the_rest_is_there(identity: Bundle, seed: int) -> None:
    breaks = random.Random(seed)
    data = noise(HOP * 150 + 7, seed=seed).tobytes()
    async with house(identity, outbox_ms=60_000, replay_s=0.1) as server:
        listener = await run_with_breaks(server, data, breaks, times=4)
    listener.check(0, data)
    listener.check(1, bytes(len(data)))


async def test_a_client_that_missed_the_end_comes_back_for_it(server: House) -> None:
    data = noise(HOP * 20).tobytes()
    listener = Listener()
    link = await server.framed()
    link.transport.pause_reading()
    await link.send(json.dumps(START))
    for message in framed_messages(data, 2):
        await link.send(message)
    await link.send(END)
    shelf = server.live.shelf
    async with asyncio.timeout(PATIENCE_S):
        while not shelf._sessions:  # noqa: ASYNC110 - nothing tells a test of it
            await asyncio.sleep(0)
    await server.empty()  # everything is made, and the slot is free; the client has read nothing
    (listener.token,) = shelf._sessions
    link.transport.abort()
    await lost(server)
    async with server.framed() as link:
        await link.send(listener.resume())
        async with asyncio.timeout(PATIENCE_S):
            try:
                while True:
                    listener.hear(await link.recv())
            except websockets.ConnectionClosed:
                pass
        assert link.close_code == 1000
    assert listener.check(0, data) == 0
    assert listener.texts[-1]["type"] == "ended"
    assert not list(server.live.shelf)


async def test_a_break_while_the_end_is_still_waiting_to_be_read(identity: Bundle) -> None:
    data = noise(HOP * 400).tobytes()
    listener = Listener()
    # So little fits into the socket that the farewell waits behind the sound.
    async with house(identity, outbox_ms=60_000) as server:
        async with server.framed() as link:
            await link.send(json.dumps(START))
            await read(link, listener, "started")
            runner = server.only_session()
            link.transport.pause_reading()
            runner.socket.writable.clear()
            for message in framed_messages(data, 2):
                await link.send(message)
            await link.send(END)
            async with asyncio.timeout(PATIENCE_S):
                while runner._farewell is None:  # noqa: ASYNC110 - nothing tells a test of it
                    await asyncio.sleep(0)
            assert len(runner._outbox)
            link.transport.abort()
        await lost(server)
        await server.empty()
        async with server.framed() as link:
            await link.send(listener.resume())
            try:
                async with asyncio.timeout(PATIENCE_S):
                    while True:
                        listener.hear(await link.recv())
            except websockets.ConnectionClosed:
                assert link.close_code == 1000
    assert listener.check(0, data) == 0
    assert listener.texts[-1]["type"] == "ended"


async def test_sequence_numbers_begin_again_and_tracks_are_told(server: House) -> None:
    listener = Listener()
    async with server.framed() as link:
        await link.send(json.dumps(START))
        for message in framed_messages(noise(HOP * 10).tobytes(), 2):
            await link.send(message)
        await read(link, listener, "started")
        await link.send('{"type":"update","targets":[{"id":"dog","prompt":"dog"}]}')
        await read(link, listener, "updated")
        link.transport.abort()
    await lost(server)
    async with server.web() as web:
        assert (await web.get("/v1/sessions")).json()["sessions"][0]["state"] == "away"
    async with server.framed() as link:
        await link.send(json.dumps({"type": "resume", "token": listener.token}))
        resumed = await next_text(link, "resumed")
        assert resumed["expects"] == 10 * HOP
        assert [track["name"] for track in resumed["tracks"]] == ["voice/target", "residual", "dog/target"]
        await link.send(END)
        heard = await listen(link)
    for index in (0, 1, 2):
        numbers = [header[4] for header in heard.track(index)[1]]
        assert numbers == list(range(len(numbers)))
    assert len(heard.track(0)[0]) == 20 * HOP
    assert heard.close == 1000


@pytest.mark.parametrize("answer", ["start", "nothing"])
async def test_an_unknown_token_leaves_the_door_open_for_a_start(server: House, answer: str) -> None:
    async with server.framed() as link:
        await link.send('{"type":"resume","token":"of another server","received":{"0":4800}}')
        error = await next_text(link, "error")
        assert (error["code"], "close_code" in error) == ("not_resumable", False)
        rest = [json.dumps(START), END] if answer == "start" else [END]
        assert (await talk(link, rest)).close == 1000


async def test_what_was_never_made_cannot_have_been_received(server: House) -> None:
    listener = Listener()
    async with server.framed() as first:
        await first.send(json.dumps(START))
        await read(first, listener, "started")
        async with server.framed() as link:
            heard = await talk(link, [json.dumps({"type": "resume", "token": listener.token, "received": {"0": 1}})])
        assert (heard.close, heard.error["field"]) == (4400, "received.0")
        # The session itself has noticed nothing.
        assert (await talk(first, [END])).close == 1000


async def test_only_its_own_client_may_have_a_session(identity: Bundle) -> None:
    keys = ("0123456789abcdef", "fedcba9876543210")
    mine, yours = ({"Authorization": f"Key {key}"} for key in keys)
    listener = Listener()
    async with house(identity, api_keys=keys) as server:
        async with server.web(headers=mine) as web:
            tokens = [(await web.post("/v1/tokens")).json()["token"] for _ in "ab"]
        bearers = [{"Authorization": f"Bearer {token}"} for token in tokens]
        async with server.framed(additional_headers=bearers[0]) as link:
            await link.send(json.dumps(START))
            await read(link, listener, "started")
            link.transport.abort()
        await lost(server)
        for stranger in (yours, bearers[1]):
            async with server.framed(additional_headers=stranger) as link:
                await link.send(listener.resume())
                assert (await next_text(link, "error"))["code"] == "not_resumable"
        # Its own token has expired by now; for its own session that does not matter.
        issued = server.live.gate.mint._clock
        server.live.gate.mint._clock = lambda: issued() + 120.0
        async with server.framed(additional_headers=bearers[0]) as link:
            await link.send(listener.resume())
            await read(link, listener, "resumed")
            link.transport.abort()
        async with server.framed(additional_headers=mine) as link:
            await link.send(listener.resume())
            await read(link, listener, "resumed")
            assert (await talk(link, [END])).close == 1000
        async with server.framed(additional_headers=bearers[1]) as link:
            assert (await talk(link, [json.dumps(START)])).error["reason"] == "token_expired"


async def broken_off(server: House) -> Listener:
    """A session whose client has gone."""
    listener = Listener()
    waiting = len(server.live.shelf)
    async with server.framed() as link:
        await link.send(json.dumps(START))
        await read(link, listener, "started")
        link.transport.abort()
    async with asyncio.timeout(PATIENCE_S):
        while len(server.live.shelf) == waiting:  # noqa: ASYNC110 - nothing tells a test of it
            await asyncio.sleep(0)
    return listener


async def test_who_waits_longest_gives_way_first(identity: Bundle) -> None:
    async with house(identity, max_sessions=2) as server:
        older, newer = await broken_off(server), await broken_off(server)
        assert len(server.live.sessions) == 2
        async with server.framed() as link:
            await link.send(json.dumps(START))
            await next_text(link, "started")
            assert len(server.live.sessions) == 2
            async with server.framed() as again:
                await again.send(older.resume())
                assert (await next_text(again, "error"))["code"] == "not_resumable"
                await again.send(newer.resume())
                await read(again, newer, "resumed")
                # Nobody waits any more: now the server is full.
                async with server.framed() as third:
                    assert (await talk(third, [json.dumps(START)])).close == 1013


async def test_who_waits_gives_way_where_the_engine_is_full_too(identity: Bundle) -> None:
    # A millionth of a hop is less than any step takes: there is room for one session at a time.
    async with house(identity, capacity_share=1e-6) as server:
        await broken_off(server)
        async with server.framed() as link:
            await link.send(json.dumps(START))
            await next_text(link, "started")
            assert len(server.live.sessions) == 1
            async with server.framed() as another:
                assert (await talk(another, [json.dumps(START)])).close == 1013


async def test_nobody_waits_for_ever(identity: Bundle) -> None:
    async with house(identity, resume_s=0.05) as server:
        listener = await broken_off(server)
        await server.empty()
        async with server.framed() as link:
            await link.send(listener.resume())
            assert (await next_text(link, "error"))["code"] == "not_resumable"
    assert not list(server.live.shelf)


async def test_a_client_that_says_goodbye_is_not_waited_for(server: House) -> None:
    async with server.framed() as link:
        await link.send(json.dumps(START))
        await next_text(link, "started")
        await link.close()
    await server.empty()
    assert not list(server.live.shelf)


async def test_resuming_can_be_switched_off_and_raw_mode_has_none(identity: Bundle) -> None:
    async with house(identity, resume_s=0) as server:
        async with server.framed() as link:
            await link.send(json.dumps(START))
            assert (await next_text(link, "started"))["resume_token"] is None
            link.transport.abort()
        await server.empty()
    async with house(identity) as server:
        async with server.raw() as link:
            assert (await next_text(link, "started"))["resume_token"] is None
            link.transport.abort()
        await server.empty()


async def test_a_client_that_fell_silent_may_come_back(identity: Bundle) -> None:
    listener = Listener()
    async with house(identity, idle_s=0.1) as server:
        now = server.live.clock = ManualClock()
        async with server.framed() as link:
            await link.send(json.dumps(START))
            listener.token = (await next_text(link, "started"))["resume_token"]
            await link.send(framed_messages(noise(HOP).tobytes(), 2)[0])
            await (await link.ping())  # the hop is taken
            async with asyncio.timeout(PATIENCE_S):
                while not len(server.live.shelf):
                    now.advance(0.2)
                    await asyncio.sleep(0)
            heard = await listen(link)
        assert (heard.close, heard.error["code"]) == (4408, "idle")
        async with server.framed() as link:
            await link.send(listener.resume())
            await read(link, listener, "resumed")
            assert listener.expects == HOP
            assert (await talk(link, [END])).close == 1000


async def test_a_stop_ends_those_that_wait(identity: Bundle) -> None:
    async with house(identity) as server:
        await broken_off(server)
        await server.live.drain()
        assert not server.live.sessions
        assert not list(server.live.shelf)


def test_the_shelf_tells_nothing_of_others(identity: Bundle) -> None:
    from streaming.resume import Shelf

    with pytest.raises(Refusal) as refused:
        Shelf().claim("x", "", None)
    assert refused.value.code == "not_resumable"
