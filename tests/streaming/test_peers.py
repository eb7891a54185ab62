"""The registry of peers: URLs, names, keys, and what is remembered of those that are gone."""

from __future__ import annotations

import pytest

from engine.bundle import Bundle
from streaming import aiortc_inside
from streaming.live_server import LiveServer
from streaming.peers import Peers
from streaming.problem import Problem
from streaming.settings import Settings
from tests.streaming.live import house
from tests.streaming.rtc import Tone, client


def missing(peers: Peers, handle: str) -> str:
    """Why a URL stands for nothing."""
    with pytest.raises(Problem) as refused:
        peers.resource(handle)
    assert refused.value.status == 404
    return refused.value.detail


async def test_a_url_needs_name_and_secret(identity: Bundle) -> None:
    async with house(identity) as home, client(home) as peer:
        peer.speak(Tone())
        await peer.post("/v1/whip?prompt=speech")
        peers: Peers = home.server.config.loaded_app.state.peers
        (publisher,) = peers.publishers.values()
        assert peers.resource(publisher.handle) is publisher
        assert len(publisher.secret) >= 24
        for handle in ("", ".", publisher.name, f"{publisher.name}.{publisher.secret[:-1]}", "é.é"):
            assert missing(peers, handle) == "there is no such session"
        assert peers.session(publisher.name, "") is publisher.runner
        with pytest.raises(Problem):
            peers.session(publisher.name, "another key")
        await publisher.end("enough")
        await publisher.end("twice")
        assert peers.publishers == {}
        assert missing(peers, publisher.handle) == "this session is over: enough"


async def test_stopping_ends_publishers_and_viewers(identity: Bundle) -> None:
    async with house(identity) as home, client(home) as peer, client(home) as viewer:
        peer.speak(Tone())
        await peer.post("/v1/whip?prompt=speech")
        viewer.listen()
        await viewer.post(f"/v1/whep/{peer.session}/0")
        peers: Peers = home.server.config.loaded_app.state.peers
        assert (len(peers.publishers), len(peers.viewers)) == (1, 1)
        await peers.stop()
        assert (len(peers.publishers), len(peers.viewers)) == (0, 0)
        await peers.stop()


async def test_each_session_gets_a_relay_password_of_its_own(identity: Bundle) -> None:
    relay = {"ice_servers": "turn:turn.example:3478", "turn_secret": "t" * 16}
    async with house(identity, **relay) as home:
        peers: Peers = home.server.config.loaded_app.state.peers
        assert peers.links() != peers.links()
        assert peers.ice_servers("a")[0].username.endswith(":a")  # type: ignore[union-attr]


async def test_an_aiortc_that_has_changed_is_told_at_the_start(
    identity: Bundle, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with house(identity):
        assert "aiortc has changed" not in caplog.text
    monkeypatch.setattr(aiortc_inside, "VERSION", "1.15.0")
    async with house(identity):
        (told,) = [record for record in caplog.records if "aiortc has changed" in record.getMessage()]
    assert told.levelname == "WARNING"
    assert "1.15.0 was read" in told.getMessage()


def test_an_aiortc_without_its_source_stops_nobody(
    identity: Bundle, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def unreadable(module: object) -> str:
        raise OSError("could not get source code")

    monkeypatch.setattr("inspect.getsource", unreadable)
    Peers(LiveServer(Settings(), identity)).start()
    assert "could not get source code" in caplog.text
