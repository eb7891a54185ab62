"""Listening by WHEP: to a peer's session and to a WebSocket's, several at once, and what is refused."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection

from engine.bundle import Bundle
from streaming.audience import Audience
from streaming.problem import Problem
from streaming.whep import track_of
from tests.streaming.live import END, House, house, next_text
from tests.streaming.rtc import SDP, Tone, client

KEY, OTHER = "a-key-of-the-tests-0001", "a-key-of-the-tests-0002"


def tone(rate: int, seconds: float) -> bytes:
    """s16 mono."""
    at = np.arange(int(rate * seconds)) / rate
    return bytes((9000 * np.sin(2 * np.pi * 450 * at)).astype("<i2").tobytes())


@asynccontextmanager
async def talking(link: ClientConnection, rate: int) -> AsyncIterator[None]:
    """Somebody who talks into a raw session in real time, and reads."""

    async def talk() -> None:
        begun_s = asyncio.get_running_loop().time()
        for index in range(10_000):
            await asyncio.sleep(begun_s + 0.02 * index - asyncio.get_running_loop().time())
            await link.send(tone(rate, 0.02))

    async def read() -> None:
        async for _ in link:
            pass

    tasks = [asyncio.create_task(talk()), asyncio.create_task(read())]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def test_viewers_hear_a_peers_tracks(identity: Bundle) -> None:
    async with house(identity) as home, client(home) as peer, client(home) as one, client(home) as other:
        peer.speak(Tone(), "sendonly")
        assert (await peer.post("/v1/whip?prompt=speech")).status_code == 201
        target, residual = one.listen(), other.listen()
        answer = await one.post(f"/v1/whep/{peer.session}/0")
        assert answer.status_code == 201
        assert "a=sendonly" in answer.text
        assert answer.headers["etag"]
        # The last part of the session's own URL is as good a name.
        handle = peer.location.rpartition("/")[2]
        assert (await other.post(f"/v1/whep/{handle}/residual")).status_code == 201
        await asyncio.gather(target.loud(), residual.at_least(0.3))
        assert np.abs(residual.sound).max() < 0.01


async def test_one_encoder_serves_all_viewers(identity: Bundle) -> None:
    async with house(identity) as home, client(home) as peer, client(home) as one, client(home) as other:
        peer.speak(Tone(), "sendonly")
        await peer.post("/v1/whip?prompt=speech")
        heard = [one.listen(), other.listen()]
        for viewer in (one, other):
            assert (await viewer.post(f"/v1/whep/{peer.session}/0")).status_code == 201
        await asyncio.gather(*(each.loud() for each in heard))
        assert len(home.only_session().audience.ears(0)) == 1


@pytest.mark.parametrize("rate", [16000, 48000])
async def test_a_viewer_hears_a_websocket_session(identity: Bundle, rate: int) -> None:
    async with house(identity) as home, client(home) as viewer, home.raw(sample_rate=rate) as link:
        started = await next_text(link, "started")
        async with talking(link, rate):
            heard = viewer.listen()
            assert (await viewer.post(f"/v1/whep/{started['session']}/0")).status_code == 201
            await heard.loud()
            spectrum = np.abs(np.fft.rfft(heard.sound[-9600:]))
            assert np.argmax(spectrum) * 48000 / 9600 == pytest.approx(450, abs=6)


async def test_viewers_end_with_their_session(identity: Bundle) -> None:
    async with house(identity) as home, client(home) as viewer, home.raw() as link:
        started = await next_text(link, "started")
        viewer.listen()
        await viewer.post(f"/v1/whep/{started['session']}/0")
        await viewer.connected()
        await link.send(END)
        await viewer.state("closed")
        gone = await viewer.http.get(viewer.location)
        assert gone.status_code == 404
        assert "the track has ended" in gone.json()["detail"]


async def test_a_viewer_may_leave(identity: Bundle) -> None:
    async with house(identity) as home, client(home) as peer, client(home) as viewer:
        back = peer.speak(Tone())
        await peer.post("/v1/whip?prompt=speech")
        viewer.listen()
        await viewer.post(f"/v1/whep/{peer.session}/0")
        await viewer.connected()
        assert (await viewer.http.delete(viewer.location)).status_code == 200
        assert (await viewer.http.get(viewer.location)).status_code == 404
        await back.loud()


async def test_what_is_refused(identity: Bundle) -> None:
    async with house(identity) as home, client(home) as peer, client(home) as viewer, home.framed() as link:
        peer.speak(Tone(), "sendonly")
        await peer.post("/v1/whip?prompt=speech")
        viewer.listen()
        offer = await viewer.offer()

        async def post(path: str, body: str = offer) -> int:
            response = await viewer.http.post(f"/v1/whep/{path}", content=body, headers=SDP)
            assert response.headers["content-type"] == "application/problem+json"
            return response.status_code

        assert await post("nobody/0") == 404
        assert await post(f"{peer.session}/7") == 404
        assert await post(f"{peer.session}/0", "nonsense") == 400
        assert await post(f"{peer.session}/0", offer.replace("a=recvonly", "a=sendonly")) == 422
        wrong = await viewer.http.post(f"/v1/whep/{peer.session}/0", content=offer)
        assert wrong.status_code == 415
        assert wrong.headers["accept-post"] == "application/sdp"
        await link.send(json.dumps({"type": "ping"}))
        await next_text(link, "pong")


def test_nothing_to_play_yet_says_when_to_come_back() -> None:
    with pytest.raises(Problem) as refused:
        track_of(Audience(), "0")
    assert refused.value.status == 409
    assert refused.value.response().headers["retry-after"] == "1"


async def test_no_room_for_more_viewers(identity: Bundle) -> None:
    async with house(identity, max_viewers=1) as home, client(home) as one, client(home) as other, home.raw() as link:
        started = await next_text(link, "started")
        url = f"/v1/whep/{started['session']}/0"
        one.listen()
        assert (await one.post(url)).status_code == 201
        other.listen()
        full = await other.post(url)
        assert full.status_code == 503
        assert full.headers["retry-after"]


async def test_discovery(identity: Bundle) -> None:
    async with house(identity) as home, client(home) as viewer, home.raw() as link:
        started = await next_text(link, "started")
        for method in ("HEAD", "GET"):
            found = await viewer.http.request(method, f"/v1/whep/{started['session']}/0")
            assert (found.status_code, found.content) == (200, b"")
            assert found.headers["content-type"].startswith("application/sdp")
        for session in (started["session"], "over"):  # of the server, not of a session
            options = await viewer.http.options(f"/v1/whep/{session}/0")
            assert (options.status_code, options.headers["accept-post"]) == (204, "application/sdp")


async def heard_by(home: House, session: str, authorization: str) -> int:
    """The status of an attempt to listen."""
    async with client(home) as viewer:
        viewer.listen()
        return (await viewer.post(f"/v1/whep/{session}/0", Authorization=authorization)).status_code


async def test_only_the_own_key_and_its_tokens_may_listen(identity: Bundle) -> None:
    async with house(identity, api_keys=f"{KEY},{OTHER}") as home, client(home) as peer:
        peer.speak(Tone())
        await peer.post("/v1/whip?prompt=speech", Authorization=f"Bearer {KEY}")
        minted = await peer.http.post(
            "/v1/tokens", json={"scopes": ["listen"]}, headers={"Authorization": f"Key {KEY}"}
        )
        assert await heard_by(home, peer.session, "") == 401
        assert await heard_by(home, peer.session, f"Key {OTHER}") == 404
        assert await heard_by(home, peer.session, f"Bearer {minted.json()['token']}") == 201
        assert await heard_by(home, peer.session, f"Key {KEY}") == 201
