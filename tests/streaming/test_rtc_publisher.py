"""A peer's session: the data channel's words, lines that follow the targets, limits, and every kind of end."""

from __future__ import annotations

import asyncio
import json
import statistics

import pytest
from aiortc import RTCSessionDescription

from engine.bundle import Bundle
from streaming.problem import Problem
from streaming.rtc_publisher import check_publish
from tests.fakes import ManualClock
from tests.streaming.live import PATIENCE_S, house
from tests.streaming.rtc import SDP, Client, Tone, client, offer

START = {"type": "start", "targets": [{"id": "voice", "prompt": "speech"}], "return": ["target", "residual"]}


async def test_a_session_may_be_asked_for_over_the_data_channel(identity: Bundle) -> None:
    async with house(identity, stats_s=0.2) as home, client(home) as peer:
        target, residual = peer.speak(Tone()), peer.listen()
        channel = peer.talk()
        assert (await peer.post("/v1/whip")).status_code == 201
        await peer.connected()
        channel.on("open", lambda: channel.send(json.dumps(START)))
        if channel.readyState == "open":
            channel.send(json.dumps(START))
        started = await peer.told("started")
        assert [track["name"] for track in started["tracks"]] == ["voice/target", "residual"]
        await asyncio.gather(target.loud(), residual.at_least(0.2))
        channel.send('{"type":"ping"}')
        await peer.told("pong")
        stats = await peer.told("stats")
        assert stats["network"]["lost"] == 0
        channel.send('{"type":"end"}')
        ended = await peer.told("ended")
        assert ended["audio_seconds"] > 0
        await peer.state("closed")
        await home.empty()


async def started(peer: Client, url: str = "/v1/whip?prompt=speech") -> None:
    """Publish and wait until the session says so."""
    peer.talk()
    assert (await peer.post(url)).status_code == 201
    await peer.told("started")


async def test_lines_follow_the_targets(identity: Bundle) -> None:
    async with house(identity) as home, client(home) as peer:
        first, residual, second = peer.speak(Tone()), peer.listen(), peer.listen()
        await started(peer)
        assert peer.channel is not None
        await first.loud()
        assert second.count == 0
        peer.channel.send(json.dumps({"type": "update", "targets": [{"id": "more", "prompt": "music"}]}))
        updated = await peer.told("updated")
        assert {track["name"]: track["mid"] for track in updated["tracks"]}["more/target"] == "2"
        await second.loud()
        peer.channel.send(json.dumps({"type": "remove", "targets": ["target"]}))
        updated = await peer.told("updated")
        assert {track["name"] for track in updated["tracks"]} == {"residual", "more/target"}
        count = second.count
        await second.at_least(count / 48000 + 0.3)
        assert residual.count > 0


async def test_what_a_message_gets_wrong_is_told(identity: Bundle) -> None:
    async with house(identity) as home, client(home) as peer:
        peer.speak(Tone())
        await started(peer)
        assert peer.channel is not None
        peer.channel.send(json.dumps({"type": "update", "targets": [{"id": "a", "prompt": "xyzzyplugh"}]}))
        error = await peer.told("error")
        assert error["code"] == "unknown_prompt"
        assert "close_code" not in error
        peer.channel.send('{"type":"upd')
        error = await peer.told("error")
        assert (error["code"], error["close_code"]) == ("bad_message", 4400)
        await peer.state("closed")
        await home.empty()


@pytest.mark.parametrize(
    ("message", "code", "close_code"),
    [
        (b"\x00\x01", "bad_message", 4400),
        ('{"type":"resume","token":"x"}', "not_supported_yet", 4415),
        ("x" * 70_000, "message_too_large", 1009),
    ],
)
async def test_messages_that_end_the_session(
    identity: Bundle, message: str | bytes, code: str, close_code: int
) -> None:
    async with house(identity, message_bytes=65536) as home, client(home) as peer:
        peer.speak(Tone())
        channel = peer.talk()
        await peer.post("/v1/whip")
        opened = asyncio.Event()
        channel.on("open", opened.set)
        if channel.readyState != "open":
            await opened.wait()
        channel.send(message)
        error = await peer.told("error")
        assert (error["code"], error["close_code"]) == (code, close_code)
        await peer.state("closed")
        await home.empty()


async def test_other_channels_are_closed(identity: Bundle) -> None:
    async with house(identity) as home, client(home) as peer:
        target = peer.speak(Tone())
        closed = asyncio.Event()
        channel = peer.talk("chat")
        channel.on("close", closed.set)
        await peer.post("/v1/whip?prompt=speech")
        await target.loud()
        async with asyncio.timeout(PATIENCE_S):
            await closed.wait()
        assert channel.readyState == "closed"
        assert peer.texts == []
        await target.at_least(target.count / 48000 + 0.1)  # the session goes on


async def test_a_peer_that_stops_sending_is_told_so_and_ended(identity: Bundle) -> None:
    async with house(identity, idle_s=3.0) as home, client(home) as peer:
        microphone = Tone()
        target = peer.speak(microphone)
        await started(peer)
        await target.loud()
        microphone.silent.set()
        error = await peer.told("error")
        assert (error["code"], error["close_code"]) == ("idle", 4408)
        await home.empty()


async def test_a_peer_that_never_reads_its_channel_goes_on(identity: Bundle) -> None:
    """What can be missed is dropped; sound is not held up by it."""
    async with house(identity, stats_s=0.02) as home, client(home) as peer:
        target = peer.speak(Tone())
        await started(peer)
        (publisher,) = home.server.config.loaded_app.state.peers.publishers.values()

        class Deaf:
            readyState = "open"  # noqa: N815
            bufferedAmount = 70_000  # noqa: N815
            sent = 0

            def send(self, text: str) -> None:
                Deaf.sent += 1

        publisher.link._channel = Deaf()
        count = target.count
        await target.at_least(count / 48000 + 0.5)
        assert Deaf.sent == 0
        publisher.link._channel = None


async def test_a_peer_that_connects_late_was_not_idle(identity: Bundle) -> None:
    async with house(identity, idle_s=4.0) as home, client(home) as peer:
        now = home.live.clock = ManualClock()
        back = peer.speak(Tone())
        peer.talk()
        answer = await peer.http.post("/v1/whip?prompt=speech", content=await peer.offer(), headers=SDP)
        for _ in range(3):
            now.advance(5.0)
            await asyncio.sleep(0.6)  # it looks once a second
        await peer.connection.setRemoteDescription(RTCSessionDescription(answer.text, "answer"))
        await peer.told("started")
        await back.at_least(0.1)


async def test_ice_that_never_completes_ends_with_a_reason(identity: Bundle) -> None:
    async with house(identity, connect_s=0.5) as home, client(home) as peer:
        peer.speak(Tone())
        offer = await peer.offer()
        # The peer's addresses lead nowhere, and it never speaks.
        offer = "\r\n".join(line for line in offer.split("\r\n") if "candidate" not in line)
        answer = await peer.http.post(
            "/v1/whip?prompt=speech", content=offer, headers={"Content-Type": "application/sdp"}
        )
        assert answer.status_code == 201
        await home.empty()
        gone = await peer.http.get(answer.headers["location"])
        assert gone.status_code == 404
        assert "ICE was not done after 0.5 s" in gone.json()["detail"]
        async with home.web() as http:
            page = (await http.get("/metrics")).text
        assert 'winnow_refused_total{reason="webrtc_not_connected"} 1.0' in page


async def test_a_wrong_fingerprint_fails_dtls_with_a_reason(identity: Bundle) -> None:
    async with house(identity) as home, client(home) as peer:
        peer.speak(Tone())
        offer = await peer.offer()
        lines = [
            line.rpartition(" ")[0] + " " + ":".join(["AB"] * 32) if line.startswith("a=fingerprint:sha-256") else line
            for line in offer.split("\r\n")
            if not line.startswith(("a=fingerprint:sha-384", "a=fingerprint:sha-512"))
        ]
        from aiortc import RTCSessionDescription

        answer = await peer.http.post(
            "/v1/whip?prompt=speech", content="\r\n".join(lines), headers={"Content-Type": "application/sdp"}
        )
        await peer.connection.setRemoteDescription(RTCSessionDescription(answer.text, "answer"))
        await home.empty()
        gone = await peer.http.get(answer.headers["location"])
        assert "the DTLS handshake failed" in gone.json()["detail"]


async def test_a_peer_that_vanishes_frees_its_session(identity: Bundle) -> None:
    async with house(identity) as home:
        async with client(home) as peer:
            peer.speak(Tone())
            await peer.post("/v1/whip?prompt=speech")
            await peer.connected()
            (publisher,) = home.server.config.loaded_app.state.peers.publishers.values()
            assert (publisher.name, publisher.reason) == (peer.session, None)
        await home.empty()
        assert publisher.reason is not None


async def test_draining_flushes_and_says_so(identity: Bundle) -> None:
    async with house(identity) as home, client(home) as peer:
        target = peer.speak(Tone())
        await started(peer)
        await target.loud()
        draining = asyncio.create_task(home.live.drain())
        error = await peer.told("error")
        assert (error["code"], error["close_code"]) == ("draining", 1001)
        await peer.told("ended")
        await draining
        async with client(home) as late:
            late.speak(Tone())
            refused = await late.post("/v1/whip?prompt=speech")
            assert refused.status_code == 503
            assert refused.headers["retry-after"]


async def test_nothing_received_waits_unread(identity: Bundle) -> None:
    """aiortc queues without a bound what nobody reads: here nothing gets there, wanted or not."""
    async with house(identity) as home, client(home) as peer:
        target, residual = peer.speak(Tone()), peer.speak(Tone(330.0))
        assert (await peer.post("/v1/whip?prompt=speech")).status_code == 201
        await target.at_least(1.0)
        await residual.at_least(0.5)
        (publisher,) = home.server.config.loaded_app.state.peers.publishers.values()
        queues = [receiver.track._queue for receiver in publisher.peer.connection.getReceivers() if receiver.track]
        assert queues
        assert [queue.qsize() for queue in queues] == [0] * len(queues)


async def test_stereo_goes_through_as_stereo(identity: Bundle) -> None:
    async with house(identity) as home, client(home) as peer:
        heard = peer.speak(Tone())
        answer = await peer.post("/v1/whip?prompt=speech&channels=2")
        assert "sprop-stereo=1" in answer.text
        await heard.loud()
        assert home.only_session().request is not None
        assert home.only_session().request.audio.channels == 2  # type: ignore[union-attr]


async def test_packets_may_be_shorter(identity: Bundle) -> None:
    async with house(identity, opus_frame_ms=10, opus_application="audio") as home, client(home) as peer:
        heard = peer.speak(Tone())
        await peer.post("/v1/whip?prompt=speech")
        await heard.loud()
        assert statistics.median(piece.shape[1] for piece in heard.pieces) == 480


async def test_metrics_count_peers_and_packets(identity: Bundle) -> None:
    async with house(identity) as home, client(home) as peer:
        target = peer.speak(Tone())
        await peer.post("/v1/whip?prompt=speech")
        await target.loud()
        page = (await peer.http.get("/metrics")).text
        assert "winnow_webrtc_sessions 1.0" in page
        assert 'winnow_webrtc_packets_total{fate="received"}' in page
        assert "winnow_webrtc_jitter_seconds" in page
        sessions = (await peer.http.get("/v1/sessions")).json()["sessions"]
        assert [(one["session"], one["mode"]) for one in sessions] == [(peer.session, "webrtc")]


async def test_no_task_is_left_behind(identity: Bundle) -> None:
    async with house(identity) as home:
        before = {task.get_name() for task in asyncio.all_tasks()}
        for _ in range(3):
            async with client(home) as peer:
                target = peer.speak(Tone())
                await peer.post("/v1/whip?prompt=speech")
                await target.at_least(0.1)
                await peer.http.delete(peer.location)
            await home.empty()
        left = {task for task in asyncio.all_tasks() if task.get_name() not in before and not task.done()}
        if left:
            _, left = await asyncio.wait(left, timeout=5)
        assert not left


# --- the rules without a connection -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        [("video", True, False)],
        [("application", True, True)],
        [("audio", False, True)],
        [("audio", False, False)],
        [("audio", True, False), ("audio", True, False)],
        [("audio", True, False), ("video", True, False), ("video", True, False)],
    ],
)
def test_offers_that_publish_nothing_we_can_use(wrong: list[tuple[str, bool, bool]]) -> None:
    with pytest.raises(Problem) as refused:
        check_publish(offer(*wrong))
    assert refused.value.status == 422
