"""Raw listening to a running session: sample-exact from joining on, any encoding and rate, never in the way."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection, connect

from engine.bundle import Bundle
from engine.prompt import Target
from streaming.audience import Audience
from streaming.errors import BadMessage
from streaming.listen import RawEar, Want, read_want
from streaming.messages import AudioFormat
from streaming.protocol import SessionRequest
from streaming.settings import Settings
from streaming.stream import Hop
from tests.fakes import ManualClock
from tests.streaming.live import END, PATIENCE_S, House, house, listen, next_text, noise
from tests.streaming.rtc import Tone, client

KEY, OTHER = "a-key-of-the-tests-0001", "a-key-of-the-tests-0002"


def listener(home: House, session: str, query: str = "track=0", **options: Any) -> connect:
    """A connection to a session."""
    return connect(f"{home.url}/{session}?{query}", compression=None, max_size=None, **options)


async def refused(home: House, session: str, query: str = "track=0", **options: Any) -> tuple[str, int | None]:
    """Code of the error, and of the close."""
    async with listener(home, session, query, **options) as link:
        heard = await listen(link)
        return heard.error["code"], heard.close


async def spoken(link: ClientConnection, sound: bytes) -> None:
    """Say it, and the end."""
    await link.send(sound)
    await link.send(END)


async def test_a_listener_hears_every_sample(identity: Bundle) -> None:
    sound = noise(48000).tobytes()
    async with house(identity) as home, home.raw() as link:
        session = (await next_text(link, "started"))["session"]
        async with listener(home, session) as ear:
            started = await next_text(ear, "started")
            assert started["audio"] == {"encoding": "pcm_s16le", "sample_rate": 48000, "channels": 1}
            assert [track["index"] for track in started["tracks"]] == [0]
            await spoken(link, sound)
            own, heard = await listen(link), await listen(ear)
            assert heard.sound == own.sound == sound
            assert (heard.close, heard.of("ended")[0]["samples_sent"]) == (1000, 48000)


async def test_in_another_encoding_and_rate(identity: Bundle) -> None:
    sound = (noise(4800) // 2).tobytes()
    async with house(identity) as home, home.raw() as link:
        session = (await next_text(link, "started"))["session"]
        query = "track=target&encoding=pcm_f32le&sample_rate=16000"
        async with (
            listener(home, session, query) as ear,
            listener(home, session, "track=0&encoding=pcm_f32le") as whole,
        ):
            await next_text(ear, "started")
            await next_text(whole, "started")
            await spoken(link, sound)
            await listen(link)
            exact = np.frombuffer((await listen(whole)).sound, "<f4")
            assert np.array_equal(exact, np.frombuffer(sound, "<i2") / np.float32(32768))
            # What the resampler still holds at the end is a millisecond at most.
            assert 1600 - 32 <= len(np.frombuffer((await listen(ear)).sound, "<f4")) <= 1600


async def test_to_a_peers_session(identity: Bundle) -> None:
    async with house(identity) as home, client(home) as peer:
        peer.speak(Tone(), "sendonly")
        await peer.post("/v1/whip?prompt=speech")
        async with listener(home, peer.session, "track=0&sample_rate=16000") as ear:
            told = await next_text(ear, "started")
            assert told["audio"] == {"encoding": "pcm_s16le", "sample_rate": 16000, "channels": 1}
            sound = np.zeros(0, np.int16)
            async with asyncio.timeout(PATIENCE_S):
                while len(sound) < 1600 or np.abs(sound[-1600:]).max() < 3000:
                    message = await ear.recv()
                    assert isinstance(message, bytes)
                    sound = np.concatenate([sound, np.frombuffer(message, "<i2")])
            spectrum = np.abs(np.fft.rfft(sound[-1600:]))
            assert abs(int(spectrum.argmax()) * 10 - 440) <= 10  # the peer's tone, at the rate asked for


async def test_a_listener_may_ping_and_leave(identity: Bundle) -> None:
    async with house(identity) as home, home.raw() as link:
        session = (await next_text(link, "started"))["session"]
        async with listener(home, session) as ear:
            await ear.send('{"type":"ping"}')
            await next_text(ear, "pong")
            await ear.send(END)
            assert (await listen(ear)).close == 1000
        async with listener(home, session) as ear:
            await next_text(ear, "started")
        await link.send('{"type":"ping"}')
        await next_text(link, "pong")


@pytest.mark.parametrize("message", [b"\x00\x00", '{"type":"update"}', "no json", "[1]", "x" * 5000])
async def test_a_listener_has_nothing_to_say(identity: Bundle, message: str | bytes) -> None:
    async with house(identity) as home, home.raw() as link:
        session = (await next_text(link, "started"))["session"]
        async with listener(home, session) as ear:
            await ear.send(message)
            heard = await listen(ear)
            assert heard.close in (4400, 1009)
            assert heard.error["close_code"] == heard.close


async def test_who_is_refused(identity: Bundle) -> None:
    async with house(identity) as home, home.raw() as link, home.framed() as silent:
        session = (await next_text(link, "started"))["session"]
        assert await refused(home, "nobody") == ("no_session", 4400)
        assert await refused(home, session, "track=9") == ("no_track", 4400)
        assert await refused(home, session, "") == ("bad_message", 4400)
        assert await refused(home, session, "track=0", origin="https://evil.example") == ("origin_refused", 1008)
        await silent.send(json.dumps({"type": "ping"}))
        await next_text(silent, "pong")


async def test_only_the_own_key_may_listen(identity: Bundle) -> None:
    mine, other = {"Authorization": f"Key {KEY}"}, {"Authorization": f"Key {OTHER}"}
    async with house(identity, api_keys=f"{KEY},{OTHER}") as home:
        async with connect(f"{home.url}?prompt=speech", compression=None, additional_headers=mine) as link:
            session = (await next_text(link, "started"))["session"]
            assert await refused(home, session) == ("unauthorised", 4401)
            assert await refused(home, session, additional_headers=other) == ("no_session", 4400)
            async with listener(home, session, additional_headers=mine) as ear:
                await next_text(ear, "started")


@pytest.mark.parametrize(
    "query",
    [
        "",
        "track=0&track=1",
        "track=0&colour=red",
        "track=0&encoding=mp3",
        "track=0&sample_rate=1",
        "track=0&sample_rate=x",
    ],
)
def test_queries_that_are_refused(query: str) -> None:
    with pytest.raises(BadMessage):
        read_want(query)


class Stuck:
    """A socket whose client does not read, until it does."""

    def __init__(self) -> None:
        self.clear = False
        self.texts: list[dict[str, Any]] = []
        self.sound: list[bytes] = []
        self.closed: int | None = None

    def expect_output(self, bytes_per_s: float) -> None:
        """Of no concern."""

    def write_text(self, text: str) -> None:
        """A text."""
        self.texts.append(json.loads(text))

    def write_binary(self, messages: tuple[bytes, ...]) -> None:
        """Sound."""
        self.sound.extend(messages)

    def finish(self, code: int) -> None:
        """The close."""
        self.closed = code


def stuck_listener() -> tuple[Stuck, RawEar, ManualClock]:
    """A listener of a raw 48 kHz session whose client does not read."""
    clock, socket = ManualClock(), Stuck()
    server: Any = SimpleNamespace(settings=Settings(slow_consumer_s=5.0), clock=clock)
    audience = Audience()
    form = AudioFormat(encoding="pcm_s16le", sample_rate=48000, channels=1)
    audience.begin(SessionRequest("raw", form, 48000, (Target(id="a", prompt="speech"),), True, False))
    audience.learn({"type": "started", "tracks": [{"index": 0, "name": "a/target"}]})
    ear = RawEar(socket, server)  # type: ignore[arg-type]
    ear.begin(SimpleNamespace(name="x", audience=audience), Want("0"))  # type: ignore[arg-type]
    return socket, ear, clock


def test_who_does_not_read_is_closed_after_a_while() -> None:
    socket, ear, clock = stuck_listener()
    for _ in range(600):
        ear.hear(Hop(0, 0, 480, 0, bytes(960)))
        clock.advance(0.01)
    assert socket.closed == 1008
    assert socket.texts[-1]["code"] == "slow_consumer"
    assert socket.sound == []


def test_who_reads_late_gets_everything() -> None:
    socket, ear, clock = stuck_listener()
    sent = [bytes([index]) * 960 for index in range(200)]
    for message in sent[:150]:
        ear.hear(Hop(0, 0, 480, 0, message))
        clock.advance(0.01)
    socket.clear = True
    ear.on_writable()
    for message in sent[150:]:
        ear.hear(Hop(0, 0, 480, 0, message))
    assert socket.sound == sent
    assert socket.closed is None
