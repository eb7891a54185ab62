"""One encoder for each track, and lines that change what they carry."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from aiortc.mediastreams import MediaStreamError

from engine.prompt import Target
from streaming.audience import Audience
from streaming.messages import AudioFormat
from streaming.opus import OpusDecoder, OpusSettings, carries_fec, packet_samples
from streaming.protocol import SessionRequest
from streaming.rtc_track import LineTrack, TrackSound, coding_of, sound_of
from streaming.settings import Settings
from streaming.stream import Hop
from tests.streaming.live import PATIENCE_S


def audience(rate: int = 48000, channels: int = 1) -> Audience:
    """Of a raw session with one track."""
    made = Audience()
    form = AudioFormat(encoding="pcm_f32le", sample_rate=rate, channels=channels)
    made.begin(SessionRequest("raw", form, rate, (Target(id="a", prompt="speech"),), True, False))
    made.learn({"type": "started", "tracks": [{"index": 0, "name": "a/target"}]})
    return made


def hops(rate: int, seconds: float, begin: int = 0) -> list[Hop]:
    """A tone of 500 Hz in hops of 10 ms."""
    size = rate // 100
    made = []
    for at in range(begin, begin + int(seconds * rate), size):
        sound = 0.5 * np.sin(2 * np.pi * 500 * np.arange(at, at + size) / rate)
        made.append(Hop(0, at, at + size, 0, sound.astype("<f4").tobytes()))
    return made


@pytest.mark.parametrize("rate", [16000, 44100, 48000])
async def test_any_rate_leaves_as_48_khz_in_time(rate: int) -> None:
    house = audience(rate)
    sound = sound_of(house, 0, OpusSettings())
    track = sound.subscribe()
    decoder = OpusDecoder(1)
    heard, stamps = [], []
    for hop in hops(rate, 0.4, begin=rate):
        house.hear([hop])
        await asyncio.sleep(0)
    async with asyncio.timeout(PATIENCE_S):
        for _ in range(18):
            packet = await track.recv()
            stamps.append(packet.pts)
            heard.append(decoder.decode(bytes(packet)))
    assert stamps == [48000 + 960 * index for index in range(18)]
    spectrum = np.abs(np.fft.rfft(np.concatenate(heard, axis=1)[0, 2400:]))
    assert np.argmax(spectrum) * 24000 / (len(spectrum) - 1) == pytest.approx(500, abs=5)
    house.close()


async def test_all_who_ask_share_one_encoder() -> None:
    house = audience()
    first, again = sound_of(house, 0, OpusSettings()), sound_of(house, 0, OpusSettings())
    assert first is again
    assert house.ears(0) == (first,)


async def test_the_end_of_a_track_is_told() -> None:
    house = audience()
    sound = sound_of(house, 0, OpusSettings())
    track = sound.subscribe()
    told: list[str] = []
    sound.when_over(lambda: told.append("then"))
    house.close()
    sound.when_over(lambda: told.append("at once"))
    assert told == ["then", "at once"]
    with pytest.raises(MediaStreamError):
        await track.recv()


async def test_a_line_says_nothing_until_it_carries_something() -> None:
    house = audience()
    line = LineTrack()
    receiving = asyncio.create_task(line.recv())
    await asyncio.sleep(0)
    assert not receiving.done()
    line.carry(sound_of(house, 0, OpusSettings()).subscribe())
    for hop in hops(48000, 0.1):
        house.hear([hop])
    async with asyncio.timeout(PATIENCE_S):
        packet = await receiving
    assert packet.pts == 0
    # Another track, whose old one ends: the line goes on.
    other = audience()
    waiting = asyncio.create_task(line.recv())
    line.carry(sound_of(other, 0, OpusSettings()).subscribe())
    for hop in hops(48000, 0.1, begin=9600):
        other.hear([hop])
    async with asyncio.timeout(PATIENCE_S):
        while ((await waiting).pts or 0) < 9600:
            waiting = asyncio.create_task(line.recv())
    line.stop()
    with pytest.raises(MediaStreamError):
        await line.recv()
    house.close()
    other.close()


async def test_a_stopped_line_wakes_who_waits() -> None:
    line = LineTrack()
    receiving = asyncio.create_task(line.recv())
    await asyncio.sleep(0)
    line.stop()
    with pytest.raises(MediaStreamError):
        await receiving


async def test_packets_are_as_the_operator_says() -> None:
    house = audience()
    form = house.format
    assert form is not None
    assert TrackSound(form, coding_of(Settings())).packet_s == 0.02
    asked = Settings(opus_frame_ms=10, opus_bitrate=48000, opus_application="voip", opus_fec=True)
    sound = sound_of(house, 0, coding_of(asked))
    assert sound.packet_s == 0.01
    viewer = sound.subscribe()
    for hop in hops(48000, 0.5):
        sound.hear(hop)
    packets = [bytes(await viewer.recv()) for _ in range(40)]
    assert {packet_samples(packet) for packet in packets} == {480}
    # SILK at 48 kbit/s with a loss to expect: the copies of the packets before are in there.
    assert any(carries_fec(packet) for packet in packets)
    house.close()
