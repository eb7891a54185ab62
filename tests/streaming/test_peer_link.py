"""A peer's link between a data channel and its session, without a network: words, sound, limits, the end."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from streaming.peer_link import PeerLink
from streaming.problem import Problem
from streaming.protocol import HEADER_BYTES, unpack_header


class Session:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.texts: list[dict[str, Any]] = []
        self.sound: list[bytes] = []
        self.refused: list[str] = []

    def on_text(self, text: str) -> None:
        self.texts.append(json.loads(text))

    def on_binary(self, payload: bytes) -> None:
        self.sound.append(payload)

    def on_too_large(self, length: int) -> None:
        self.refused.append(f"{length}")

    def refuse(self, error: Exception) -> None:
        self.refused.append(str(error))


class Channel:
    """A data channel that only notes."""

    def __init__(self, label: str = "winnow.v1") -> None:
        self.label = label
        self.readyState = "open"
        self.bufferedAmount = 0
        self.sent: list[dict[str, Any]] = []
        self.closed = False
        self.say: Any = None

    def on(self, event: str, call: Any) -> None:
        assert event == "message"
        self.say = call

    def send(self, text: str) -> None:
        self.sent.append(json.loads(text))

    def close(self) -> None:
        self.closed = True


class Bench:
    """A link with a session and a channel."""

    def __init__(self, channels: int = 1) -> None:
        self.over = 0
        self.link = PeerLink(channels, 1000, lambda message: message, self._finished)
        self.session: Any = Session()
        self.channel: Any = Channel()
        session: Any = self.session
        self.link.attach(session)

    def _finished(self) -> None:
        self.over += 1


STARTED = {"type": "started", "audio": {"encoding": "pcm_f32le", "sample_rate": 48000, "channels": 1}, "tracks": []}
FATAL = {"type": "error", "code": "no_capacity", "message": "full", "retryable": True, "close_code": 1013}


async def test_start_gets_our_audio_format() -> None:
    bench = Bench(channels=2)
    bench.link.open_channel(bench.channel)
    bench.channel.say('{"type":"ping"}')
    bench.channel.say('{"type":"start","audio":{"sample_rate":8000},"targets":[]}')
    bench.channel.say('{"type":"update","targets":[]}')
    ping, start, update = bench.session.texts
    assert ping == {"type": "ping"}
    assert start["audio"] == {"encoding": "pcm_f32le", "sample_rate": 48000, "channels": 2}
    assert update == {"type": "update", "targets": []}


async def test_sound_is_a_framed_message_once_the_session_was_asked_for() -> None:
    bench = Bench(channels=2)
    samples = np.array([[0.5, 0.25], [-0.5, 0.0]], np.float32)
    bench.link.hear(samples, 960)
    assert bench.session.sound == []
    bench.link.begin({"type": "start"})
    bench.link.hear(samples, 1920)
    (message,) = bench.session.sound
    assert unpack_header(message).pts == 1920
    assert np.frombuffer(message[HEADER_BYTES:], "<f4").tolist() == [0.5, -0.5, 0.25, 0.0]


async def test_sound_is_missing_while_the_engine_is_behind_and_after_a_long_silence() -> None:
    bench = Bench()
    bench.link.begin({"type": "start"})
    bench.link.pause_reading()
    bench.link.hear(np.zeros((1, 960), np.float32), 0)
    bench.link.resume_reading()
    bench.link.hear(np.zeros((1, 48000), np.float32), 960)
    assert bench.session.sound == []
    bench.link.hear(np.zeros((1, 960), np.float32), 48960)
    assert len(bench.session.sound) == 1


async def test_texts_wait_for_the_channel() -> None:
    bench = Bench()
    bench.link.write_text(json.dumps(STARTED))
    bench.link.write_text('{"type":"pong"}')
    bench.link.open_channel(bench.channel)
    started, pong = bench.channel.sent
    assert started["audio"]["encoding"] == "opus"
    assert pong == {"type": "pong"}
    assert bench.link.started.done()


async def test_a_channel_that_is_not_read_loses_what_can_be_missed() -> None:
    bench = Bench()
    bench.link.open_channel(bench.channel)
    bench.channel.bufferedAmount = 100_000
    bench.link.write_text('{"type":"stats"}')
    bench.link.write_text('{"type":"updated","tracks":[]}')
    assert [text["type"] for text in bench.channel.sent] == ["updated"]
    bench.channel.bufferedAmount = 2_000_000
    bench.link.write_text('{"type":"updated","tracks":[]}')
    assert len(bench.channel.sent) == 1
    assert not bench.link.said


async def test_what_a_peer_may_not_say() -> None:
    bench = Bench()
    bench.link.open_channel(bench.channel)
    for message in (b"\x00", "x" * 1001, '{"type":"resume","token":"t"}'):
        bench.channel.say(message)
    assert len(bench.session.refused) == 3
    bench.link.finish(1000)
    bench.channel.say('{"type":"ping"}')
    assert bench.session.texts == []


async def test_what_is_no_json_is_the_sessions_to_refuse() -> None:
    said: list[str] = []
    bench = Bench()
    bench.session.on_text = said.append
    bench.link.open_channel(bench.channel)
    for text in ("[" * 900, "{", '"start"'):
        bench.channel.say(text)
    assert said == ["[" * 900, "{", '"start"']


async def test_only_one_channel_of_our_name() -> None:
    bench = Bench()
    others = [Channel("chat"), Channel(), Channel()]
    for channel in others:
        bench.link.open_channel(channel)  # type: ignore[arg-type]
    assert [channel.closed for channel in others] == [True, False, True]


async def test_an_error_before_the_start_is_the_answer_to_who_waits() -> None:
    bench = Bench()
    bench.link.write_text(json.dumps(FATAL))
    bench.link.finish(1013)
    bench.link.finish(1013)
    with pytest.raises(Problem) as refused:
        await bench.link.started
    assert refused.value.status == 503
    assert bench.over == 1


async def test_an_end_without_a_word_is_an_answer_too() -> None:
    bench = Bench()
    bench.link.finish(1000)
    with pytest.raises(Problem):
        await bench.link.started
