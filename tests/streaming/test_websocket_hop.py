"""A server with longer hops says so, keeps to it, and loses nothing."""

from __future__ import annotations

import json

import pytest

from engine.bundle import Bundle
from engine.errors import BadInput
from streaming.live_server import LiveServer
from streaming.settings import Settings
from tests.streaming.live import END, START, framed_messages, house, noise, talk
from tests.streaming.test_cli import winnow


@pytest.mark.parametrize(("hop_ms", "hop"), [(None, 480), (20.0, 960), (40.0, 1920)])
async def test_started_tells_the_hop_that_comes(identity: Bundle, hop_ms: float | None, hop: int) -> None:
    sound = noise(9600)
    async with house(identity, hop_ms=hop_ms) as server:
        async with server.framed() as link:
            heard = await talk(link, [json.dumps(START), *framed_messages(sound.tobytes(), 2), END])
    (started,) = heard.of("started")
    latency = started["latency"]
    assert (latency["hop"], latency["samples"], latency["algorithmic_ms"]) == (hop, hop + 480, (hop + 480) / 48)
    data, headers = heard.track(0)
    assert data == sound.tobytes()
    assert all(header[-1] % hop == 0 for header in headers)


async def test_a_hop_that_the_model_has_not_is_named(identity: Bundle) -> None:
    server = LiveServer(Settings(hop_ms=15.0), identity)
    with pytest.raises(BadInput, match="hop: expected 10ms or 20ms or 40ms, got '15ms'"):
        await server.start()


def test_a_hop_that_is_no_length(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert winnow(monkeypatch, "serve", "--hop", "long") == 2
    assert "as 20ms" in capsys.readouterr().err


def test_the_flag_reaches_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[Settings] = []
    monkeypatch.setattr("streaming.app.serve", served.append)
    assert winnow(monkeypatch, "serve", "--hop", "20ms") == 0
    assert [settings.hop_ms for settings in served] == [20.0]
