"""Received sound has no hole, whatever the network did; and a real aiortc receiver hands it to us."""

from __future__ import annotations

import asyncio
import gc
import logging

import numpy as np
import pytest
from aiortc import MediaStreamTrack

from engine.errors import BadInput
from engine.frames import Samples
from engine.score import si_sdr_db
from streaming.opus import OpusDecoder, OpusEncoder, OpusSettings
from streaming.rtc_audio_in import AudioReceiver, ReceiveSettings, drain
from streaming.rtc_audio_out import AudioFanOut
from tests.fakes import ManualClock
from tests.streaming.webrtc_pair import needs_address, negotiate, two_peers

RATE = 48_000
FRAME = 960


class Heard:
    """A sink that checks that pts is contiguous."""

    def __init__(self) -> None:
        self.pieces: list[Samples] = []
        self.end = 0

    def __call__(self, samples: Samples, pts: int) -> None:
        assert pts == self.end
        assert samples.dtype == np.float32
        self.end += samples.shape[1]
        self.pieces.append(samples)

    @property
    def sound(self) -> Samples:
        """All of it."""
        return np.concatenate(self.pieces, axis=1)


def melody(seconds: float) -> Samples:
    """Stereo partials with a slow swell."""
    time_s = np.arange(int(seconds * RATE)) / RATE
    rows = [sum(np.sin(2 * np.pi * base * k * time_s) / k for k in (1, 2, 3)) for base in (196.0, 247.0)]
    return (0.1 * np.array(rows) * (1 + 0.4 * np.sin(2 * np.pi * 0.7 * time_s))).astype(np.float32)


def packets(sound: Samples, settings: OpusSettings | None = None) -> list[bytes]:
    """Coded."""
    encoder = OpusEncoder(settings or OpusSettings())
    return [encoder.encode(sound[:, at : at + FRAME]) for at in range(0, sound.shape[1] - FRAME + 1, FRAME)]


def receive(payloads: dict[int, bytes], clock: ManualClock, receiver: AudioReceiver) -> None:
    """Packets by their index, each at its time."""
    start_s = clock.now_s
    for index, payload in sorted(payloads.items()):
        clock.now_s = start_s + index * 0.02
        receiver.take(1234, (65_530 + index) % 2**16, (2**32 - 4800 + index * FRAME) % 2**32, payload)


async def test_sound_without_loss_is_what_the_decoder_gives() -> None:
    clock, heard = ManualClock(), Heard()
    receiver = AudioReceiver(heard, clock=clock)
    coded = packets(melody(2.0))
    receive(dict(enumerate(coded)), clock, receiver)
    decoder = OpusDecoder()
    assert np.array_equal(heard.sound, np.concatenate([decoder.decode(payload) for payload in coded], axis=1))
    receiver.close()


async def test_lost_packets_leave_no_hole_and_are_made_up() -> None:
    coded = packets(melody(4.0))
    lost = set(np.random.default_rng(3).choice(np.arange(5, len(coded) - 1), 12, replace=False).tolist())
    clock, heard, whole = ManualClock(), Heard(), Heard()
    clock_of_perfect = ManualClock()
    receiver, perfect = AudioReceiver(heard, clock=clock), AudioReceiver(whole, clock=clock_of_perfect)
    receive({index: payload for index, payload in enumerate(coded) if index not in lost}, clock, receiver)
    receive(dict(enumerate(coded)), clock_of_perfect, perfect)
    assert heard.end == whole.end == len(coded) * FRAME
    zeroed = whole.sound.copy()
    for index in lost:
        zeroed[:, index * FRAME : (index + 1) * FRAME] = 0.0
    assert si_sdr_db(heard.sound, whole.sound) > si_sdr_db(zeroed, whole.sound) + 3.0
    stats = receiver.stats()
    assert (stats.lost, stats.received, stats.concealed_ms) == (12, len(coded) - 12, 240.0)
    receiver.close()
    perfect.close()


async def test_damaged_packets_are_made_up_and_counted() -> None:
    coded = dict(enumerate(packets(melody(1.0))))
    # Two frames of the same length in an odd number of bytes.
    coded[20] = bytes([0xF1]) + b"\xff" * 5
    coded[21] = b""
    clock, heard = ManualClock(), Heard()
    receiver = AudioReceiver(heard, clock=clock)
    receive(coded, clock, receiver)
    assert heard.end == 50 * FRAME
    assert receiver.stats().damaged == 1
    assert np.isfinite(heard.sound).all()
    receiver.close()


@pytest.mark.parametrize("seed", range(3))
async def test_hostile_packets_never_break_the_timeline(seed: int) -> None:
    rng = np.random.default_rng(seed)
    clock, heard = ManualClock(), Heard()
    receiver = AudioReceiver(heard, clock=clock)
    for _ in range(3000):
        clock.advance(float(rng.exponential(0.01)))
        source, sequence = int(rng.integers(0, 3)), int(rng.integers(0, 2**16))
        receiver.take(source, sequence, int(rng.integers(0, 2**32)), rng.bytes(int(rng.integers(0, 60))))
    assert heard.end <= (clock.now_s - 100.0) * RATE * 1.01 + 1.1 * RATE
    assert receiver.failed is None
    receiver.close()


async def test_a_source_that_changes_goes_on_in_the_same_timeline() -> None:
    coded = packets(melody(1.0))
    clock, heard = ManualClock(), Heard()
    receiver = AudioReceiver(heard, clock=clock)
    receive(dict(enumerate(coded)), clock, receiver)
    for index, payload in enumerate(coded):
        clock.advance(0.02)
        receiver.take(99, index, index * FRAME, payload)
    assert heard.end == 100 * FRAME
    assert receiver.stats().restarts == 1
    receiver.close()


@pytest.mark.parametrize("ppm", [150.0, -150.0])
async def test_a_sender_with_another_clock_is_kept_in_step_with_ours(ppm: float) -> None:
    """Three minutes: uncorrected the sound would be 27 ms off at the end; corrected it stays within 2 ms."""
    payloads = packets(melody(0.2))
    clock, heard = ManualClock(), Heard()
    receiver = AudioReceiver(heard, ReceiveSettings(channels=1), clock=clock)
    rng = np.random.default_rng(8)
    off_ms = []
    for index in range(9000):
        sent_s = 100.0 + index * 0.02 / (1 + ppm * 1e-6)
        clock.now_s = sent_s + float(rng.random()) * 0.003
        receiver.take(1, index % 2**16, index * FRAME, payloads[index % len(payloads)])
        off_ms.append((heard.end / RATE - (sent_s - 100.0)) * 1e3)
    assert max(off_ms[3000:]) - min(off_ms[3000:]) < 2.0
    assert receiver.stats().drift_ppm == pytest.approx(ppm, abs=15.0)
    arrival_s = receiver.arrival_s(heard.end - FRAME)
    assert arrival_s == pytest.approx(clock.now_s, abs=0.005)
    receiver.close()


async def test_mono_is_given_where_mono_is_asked() -> None:
    clock, heard = ManualClock(), Heard()
    receiver = AudioReceiver(heard, ReceiveSettings(channels=1), clock=clock)
    receive(dict(enumerate(packets(melody(0.5)))), clock, receiver)
    assert heard.sound.shape == (1, 25 * FRAME)
    receiver.close()
    with pytest.raises(BadInput):
        ReceiveSettings(channels=6)


async def test_a_sink_that_fails_ends_the_receiver_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()

    def sink(samples: Samples, pts: int) -> None:
        raise RuntimeError("full")

    receiver = AudioReceiver(sink, clock=clock)
    with caplog.at_level(logging.CRITICAL, logger="winnow.streaming.webrtc"):
        receive(dict(enumerate(packets(melody(0.5)))), clock, receiver)
    assert isinstance(receiver.failed, RuntimeError)


async def test_a_sink_may_close_its_receiver() -> None:
    clock, heard = ManualClock(), Heard()

    def sink(samples: Samples, pts: int) -> None:
        heard(samples, pts)
        if heard.end == 10 * FRAME:
            receiver.close()

    receiver = AudioReceiver(sink, clock=clock)
    coded = dict(enumerate(packets(melody(1.0))))
    # Two packets come on together: the second must find the receiver closed.
    coded[9], coded[10] = coded[10], coded[9]
    receive(coded, clock, receiver)
    assert heard.end == 10 * FRAME
    assert receiver.failed is None
    assert receiver.stats().received == 10


class Frames(MediaStreamTrack):
    """A track that gives numbers and ends."""

    kind = "video"

    def __init__(self, count: int) -> None:
        super().__init__()
        self._left = iter(range(count))

    async def recv(self) -> int:  # type: ignore[override]
        number = next(self._left, None)
        if number is None:
            from aiortc.mediastreams import MediaStreamError

            raise MediaStreamError
        return number


async def test_drain_reads_everything_until_the_end() -> None:
    taken: list[object] = []
    await drain(Frames(5), taken.append)
    assert taken == [0, 1, 2, 3, 4]


@needs_address
async def test_two_real_peers_send_and_hear() -> None:
    """Offer, answer, ICE, DTLS, SRTP, both directions, and nothing is left after the end."""
    before = asyncio.all_tasks()
    sound = melody(1.0)
    async with two_peers() as (caller, server):
        outgoing, returning = AudioFanOut(), AudioFanOut()
        heard, back = Heard(), Heard()
        enough = asyncio.Event()

        def on_server(samples: Samples, pts: int) -> None:
            heard(samples, pts)
            returning.feed(samples, pts)

        def on_caller(samples: Samples, pts: int) -> None:
            back(samples, pts)
            if back.end >= 20 * FRAME:
                enough.set()

        at_server, at_caller = AudioReceiver(on_server), AudioReceiver(on_caller)
        ended: list[asyncio.Task[None]] = []

        def on_server_track(track: MediaStreamTrack) -> None:
            at_server.attach(server.getTransceivers()[0].receiver)
            ended.append(asyncio.create_task(drain(track, lambda frame: None)))
            server.addTrack(returning.subscribe())

        server.on("track", on_server_track)
        caller.on("track", lambda track: at_caller.attach(caller.getTransceivers()[0].receiver))
        caller.addTrack(outgoing.subscribe())
        await negotiate(caller, server)
        index = 0
        while not enough.is_set():
            outgoing.feed(sound[:, index % 50 * FRAME :][:, :FRAME], index * FRAME)
            index += 1
            await asyncio.sleep(0.02)
        assert at_server.stats().lost == 0
        assert at_server.stats().received >= 20
        for part in (outgoing, returning, at_server, at_caller):
            part.close()
    # aiortc tells the track that the sender is gone: that is how a server learns it.
    await asyncio.gather(*ended)
    gc.collect()
    assert {task for task in asyncio.all_tasks() - before if not task.done()} == set()
