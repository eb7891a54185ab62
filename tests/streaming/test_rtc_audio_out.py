"""Sound is coded once for all viewers, in whole frames, and nobody who does not read holds anything up."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from aiortc.mediastreams import MediaStreamError

from engine.errors import BadInput
from engine.score import si_sdr_db
from streaming.opus import OpusDecoder, OpusSettings
from streaming.rtc_audio_out import AudioFanOut, Coded, ViewerTrack

RATE = 48_000
FRAME = 960


def ramp(count: int, channels: int = 2) -> np.ndarray:
    """Tones."""
    time_s = np.arange(count) / RATE
    return np.repeat((0.2 * np.sin(2 * np.pi * 330 * time_s))[None], channels, axis=0).astype(np.float32)


async def take(track: ViewerTrack, count: int) -> list[Coded]:
    """The next packets."""
    return [await track.recv() for _ in range(count)]


@pytest.mark.parametrize("chunk", [160, 480, 960, 1000, 5000])
async def test_any_chunks_become_whole_frames_with_their_pts(chunk: int) -> None:
    fan_out = AudioFanOut()
    viewer = fan_out.subscribe()
    sound = ramp(19_200)
    for at in range(0, sound.shape[1], chunk):
        fan_out.feed(sound[:, at : at + chunk], 700 + at)
    got = await take(viewer, 20)
    assert [packet.pts for packet in got] == [700 + FRAME * index for index in range(20)]
    assert str(got[0].time_base) == "1/48000"
    decoder = OpusDecoder()
    heard = np.concatenate([decoder.decode(bytes(packet)) for packet in got], axis=1)
    lag = fan_out.lookahead
    assert si_sdr_db(heard[:, 2 * FRAME + lag :], sound[:, 2 * FRAME : -lag]) > 20.0
    fan_out.close()


async def test_all_viewers_get_the_same_packets_and_a_late_one_from_then_on() -> None:
    fan_out = AudioFanOut(OpusSettings(frame_ms=10))
    first, second = fan_out.subscribe(), fan_out.subscribe()
    sound = ramp(4800)
    fan_out.feed(sound, 0)
    one, two = await take(first, 10), await take(second, 10)
    assert [a is b for a, b in zip(one, two, strict=True)] == [True] * 10
    third = fan_out.subscribe()
    fan_out.feed(sound, 4800)
    assert (await third.recv()).pts == 4800
    assert fan_out.viewers == 3
    fan_out.close()


async def test_a_viewer_that_never_reads_holds_a_bounded_queue_and_nobody_up() -> None:
    fan_out = AudioFanOut()
    idle, reading = fan_out.subscribe(), fan_out.subscribe()
    for index in range(100):
        fan_out.feed(ramp(FRAME), index * FRAME)
        assert (await reading.recv()).pts == index * FRAME
    assert idle.dropped == 80
    assert (await idle.recv()).pts == 80 * FRAME
    fan_out.close()


async def test_small_holes_are_filled_repeats_skipped_and_large_holes_kept() -> None:
    fan_out = AudioFanOut()
    viewer = fan_out.subscribe()
    fan_out.feed(ramp(FRAME), 0)
    fan_out.feed(ramp(FRAME), 2 * FRAME)
    assert [packet.pts for packet in await take(viewer, 3)] == [0, FRAME, 2 * FRAME]
    fan_out.feed(ramp(FRAME), 2 * FRAME)
    fan_out.feed(ramp(2 * FRAME), 2 * FRAME)
    assert (await viewer.recv()).pts == 3 * FRAME
    fan_out.feed(ramp(FRAME + 10), 1_000_000)
    assert (await viewer.recv()).pts == 1_000_000
    fan_out.feed(ramp(FRAME), 0)
    fan_out.feed(ramp(FRAME), 1_000_000 + FRAME + 10)
    assert (await viewer.recv()).pts == 1_000_000 + FRAME
    fan_out.close()


async def test_mono_and_stereo_are_made_what_is_asked() -> None:
    for wanted, given in ((2, 1), (1, 2), (1, 1)):
        fan_out = AudioFanOut(OpusSettings(channels=wanted))
        viewer = fan_out.subscribe()
        fan_out.feed(ramp(FRAME, given), 0)
        assert OpusDecoder(wanted).decode(bytes(await viewer.recv())).shape == (wanted, FRAME)
        with pytest.raises(BadInput):
            fan_out.feed(np.zeros((3, 10), np.float32), FRAME)
        fan_out.close()


async def test_a_waiting_viewer_learns_of_the_end() -> None:
    fan_out = AudioFanOut()
    viewer = fan_out.subscribe()
    waiting = asyncio.create_task(viewer.recv())
    await asyncio.sleep(0)
    fan_out.close()
    with pytest.raises(MediaStreamError):
        await waiting
    with pytest.raises(MediaStreamError):
        await fan_out.subscribe().recv()
    fan_out.feed(ramp(FRAME), 0)
    fan_out.close()


async def test_an_executor_gives_the_same_packets_in_order_and_a_bounded_queue() -> None:
    sound = ramp(19_200)
    with ThreadPoolExecutor(1) as executor:
        fan_out, inline = AudioFanOut(executor=executor), AudioFanOut()
        viewer, other = fan_out.subscribe(), inline.subscribe()
        for at in range(0, sound.shape[1], 480):
            fan_out.feed(sound[:, at : at + 480], at)
            inline.feed(sound[:, at : at + 480], at)
        got, expected = await take(viewer, 20), await take(other, 20)
        assert [bytes(packet) for packet in got] == [bytes(packet) for packet in expected]
        assert [packet.pts for packet in got] == [packet.pts for packet in expected]
        # Nothing comes back while the loop does not turn: what waits for the encoder is bounded.
        for index in range(100):
            fan_out.feed(ramp(FRAME), (20 + index) * FRAME)
        assert fan_out.dropped > 50
        fan_out.close()
        inline.close()


async def test_an_executor_that_fails_ends_the_viewers(caplog: pytest.LogCaptureFixture) -> None:
    with ThreadPoolExecutor(1) as executor, caplog.at_level(logging.CRITICAL, logger="winnow.streaming.webrtc"):
        fan_out = AudioFanOut(executor=executor)
        viewer = fan_out.subscribe()
        sound = ramp(FRAME)
        sound[:, 0] = np.nan
        fan_out._frames.append((sound[:, :10], 0))
        fan_out._encode_next()
        with pytest.raises(MediaStreamError):
            await viewer.recv()


async def test_a_viewer_that_leaves_is_forgotten() -> None:
    fan_out = AudioFanOut()
    viewer = fan_out.subscribe()
    viewer.stop()
    assert fan_out.viewers == 0
    fan_out.feed(ramp(FRAME), 0)
    with pytest.raises(MediaStreamError):
        await viewer.recv()
    fan_out.close()
