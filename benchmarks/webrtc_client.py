"""Peers that measure: they send a sound that resembles itself nowhere, and say when which of its samples came back.

`Probe` is one full peer, either with our receive and send path or with stock aiortc's; `Load` is a peer that costs its
own process as little as can be: packets coded beforehand go out, packets that come back are only looked at.
"""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from fractions import Fraction
from typing import Any, ClassVar

import av
import numpy as np
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError
from aiortc.rtp import RtpPacket
from numpy.typing import NDArray

from engine.frames import Samples
from streaming import aiortc_inside
from streaming.opus import RATE, OpusEncoder, OpusSettings
from streaming.rtc_audio_in import AudioReceiver
from streaming.rtc_audio_out import AudioFanOut

FRAME = 960
FRAME_S = FRAME / RATE
_TIME_BASE = Fraction(1, RATE)


def unique_sound(seconds: float, seed: int = 7) -> Samples:
    """Stereo (both the same) that never repeats: noise above 200 Hz (codecs cut below it in voice mode) that falls by
    6 dB an octave, so that its shape is kept."""
    count = int(seconds * RATE) // FRAME * FRAME
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(count))
    hertz = np.fft.rfftfreq(count, 1 / RATE)
    spectrum *= np.where(hertz > 200.0, 200.0 / np.maximum(hertz, 200.0), 0.0)
    line = np.fft.irfft(spectrum, count)
    return np.repeat((0.1 * line / line.std())[None], 2, axis=0).astype(np.float32)


class Impairment:
    """A bad network in front of a peer's socket: RTP that leaves is lost or delayed, everything else passes.

    Args:
        loss: share of packets.
        jitter_s: each packet waits from 0 to this, independently; packets overtake each other.
    """

    def __init__(self, loss: float = 0.0, jitter_s: float = 0.0, seed: int = 1) -> None:
        self.loss, self.jitter_s = loss, jitter_s
        self.on = True
        self.lost = 0
        self._rng = np.random.default_rng(seed)

    def stand_before(self, connection: RTCPeerConnection) -> None:
        """Everything that this connection sends goes through here."""
        transport = connection.getTransceivers()[0].sender.transport.transport
        inner: Callable[[bytes], Awaitable[None]] = transport._send
        loop = asyncio.get_running_loop()
        later: set[asyncio.Task[None]] = set()

        async def send(data: bytes) -> None:
            is_rtp = 127 < data[0] < 192 and not 192 <= data[1] <= 223
            if not self.on or not is_rtp:
                await inner(data)
            elif self._rng.random() < self.loss:
                self.lost += 1
            elif self.jitter_s:
                task = loop.create_task(_after(self._rng.random() * self.jitter_s, inner, data))
                later.add(task)
                task.add_done_callback(later.discard)
            else:
                await inner(data)

        transport._send = send


async def _after(delay_s: float, send: Callable[[bytes], Awaitable[None]], data: bytes) -> None:
    await asyncio.sleep(delay_s)
    try:
        await send(data)
    except ConnectionError:
        return


class Signalling:
    """WHIP over plain HTTP."""

    def __init__(self, port: int) -> None:
        self._base = f"http://127.0.0.1:{port}"
        self._location = ""

    async def connect(self, connection: RTCPeerConnection) -> None:
        """Offer, answer."""
        await connection.setLocalDescription(await connection.createOffer())
        answer = await asyncio.to_thread(self._post, connection.localDescription.sdp)
        await connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    def _post(self, offer: str) -> str:
        request = urllib.request.Request(
            f"{self._base}/v1/whip?prompt=speech", offer.encode(), {"Content-Type": "application/sdp"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            self._location = answer.headers["Location"]
            return str(answer.read().decode())

    async def delete(self) -> bool:
        """End the session; False where the server had ended it."""
        request = urllib.request.Request(f"{self._base}{self._location}", method="DELETE")
        try:
            await asyncio.to_thread(lambda: urllib.request.urlopen(request, timeout=10).close())
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
            return False
        return True


class StockSource(MediaStreamTrack):
    """Frames for aiortc to encode, each at its time."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._frames: asyncio.Queue[av.AudioFrame] = asyncio.Queue()

    def feed(self, samples: Samples, pts: int) -> None:
        """One frame."""
        data = np.clip(samples.T * 32767.0, -32768, 32767).astype(np.int16).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(data, format="s16", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = RATE, pts, _TIME_BASE
        self._frames.put_nowait(frame)

    async def recv(self) -> av.AudioFrame:
        """The next."""
        return await self._frames.get()

    def close(self) -> None:
        """Nothing to end."""


class Probe:
    """One full peer. `heard` gets `(time, first channel)` of everything that comes back."""

    def __init__(self, port: int, *, stock: bool, impairment: Impairment | None = None) -> None:
        self._signalling, self._stock, self._impairment = Signalling(port), stock, impairment
        self._loop = asyncio.get_running_loop()
        self.connection = RTCPeerConnection(RTCConfiguration([]))
        self.source: StockSource | AudioFanOut = StockSource() if stock else AudioFanOut()
        self.heard: list[tuple[float, NDArray[np.float32]]] = []
        self.sent_s: list[float] = []
        self.receiver: AudioReceiver | None = None
        self.first_s: float | None = None
        self._reading: asyncio.Task[None] | None = None
        self._connected = asyncio.Event()
        self.connection.on("connectionstatechange", self._on_state)
        self.connection.on("track", self._on_track)

    def _on_state(self) -> None:
        if self.connection.connectionState == "connected":
            self._connected.set()

    def _on_track(self, track: MediaStreamTrack) -> None:
        if self._stock:
            self._reading = self._loop.create_task(self._read(track))
        else:
            self.receiver = AudioReceiver(self._hear)
            self.receiver.attach(self.connection.getTransceivers()[0].receiver)

    def _hear(self, samples: Samples, pts: int) -> None:
        self.heard.append((self._loop.time(), samples[0]))

    async def _read(self, track: MediaStreamTrack) -> None:
        try:
            while True:
                frame: Any = await track.recv()
                line = frame.to_ndarray().reshape(-1, 2)[:, 0].astype(np.float32) / 32768.0
                self.heard.append((self._loop.time(), line))
        except MediaStreamError:
            return

    async def connect(self) -> None:
        """Until media can flow."""
        track = self.source if isinstance(self.source, StockSource) else self.source.subscribe()
        self.connection.addTrack(track)
        await self._signalling.connect(self.connection)
        async with asyncio.timeout(10.0):
            await self._connected.wait()
        if self._impairment is not None:
            self._impairment.stand_before(self.connection)

    async def talk(self, sound: Samples, until: Callable[[], bool] = lambda: False) -> None:
        """Send `sound`, a frame each 20 ms; it may end early."""
        start_s = self._loop.time()
        for index in range(sound.shape[1] // FRAME):
            await asyncio.sleep(start_s + index * FRAME_S - self._loop.time())
            self.sent_s.append(self._loop.time())
            self.source.feed(sound[:, index * FRAME : (index + 1) * FRAME], index * FRAME)
            if until():
                return

    async def close(self) -> None:
        """End it on both sides."""
        await self._signalling.delete()
        self.source.close()
        if self.receiver is not None:
            self.receiver.close()
        await self.connection.close()
        if self._reading is not None:
            self._reading.cancel()


class CodedSource(MediaStreamTrack):
    """Packets coded beforehand, each at its time; remembers when each was read by the sender."""

    kind = "audio"

    def __init__(self, packets: list[bytes], phase_s: float) -> None:
        super().__init__()
        self._packets, self._phase_s = packets, phase_s
        self._start_s: float | None = None
        self.sent_s: list[float] = []

    async def recv(self) -> Any:
        """The next packet, when it is due."""
        loop = asyncio.get_running_loop()
        if self._start_s is None:
            self._start_s = loop.time() + self._phase_s
        index = len(self.sent_s)
        await asyncio.sleep(max(self._start_s + index * FRAME_S - loop.time(), 0.0))
        packet: Any = av.Packet(self._packets[index % len(self._packets)])
        packet.pts, packet.time_base = index * FRAME, _TIME_BASE
        self.sent_s.append(loop.time())
        return packet


class Load:
    """A cheap peer; `delays_s` says how long after it was sent each packet came back."""

    packets: ClassVar[list[bytes]] = []

    def __init__(self, port: int, phase_s: float) -> None:
        if not Load.packets:
            sound, encoder = unique_sound(4.0, seed=11), OpusEncoder(OpusSettings())
            Load.packets = [encoder.encode(sound[:, at : at + FRAME]) for at in range(0, sound.shape[1], FRAME)]
        self._loop = asyncio.get_running_loop()
        self._signalling = Signalling(port)
        self.connection = RTCPeerConnection(RTCConfiguration([]))
        self._source = CodedSource(Load.packets, phase_s)
        self.came: list[tuple[float, int]] = []
        self.returned = asyncio.Event()
        self.connection.on("track", self._on_track)

    def _on_track(self, track: MediaStreamTrack) -> None:
        receiver = self.connection.getTransceivers()[0].receiver
        aiortc_inside.take_every_packet(receiver, self._take)

    def _take(self, packet: RtpPacket) -> None:
        self.came.append((self._loop.time(), packet.timestamp))
        self.returned.set()

    async def connect(self) -> None:
        """Begin."""
        self.connection.addTrack(self._source)
        await self._signalling.connect(self.connection)

    def delays_s(self, after_s: float) -> list[float]:
        """Of the packets that came after a time: since the packet with the same place in the stream was sent.

        Whole packets of the program's latency are in it: sample 0 comes back in the first packet.
        """
        if not self.came:
            return []
        first = self.came[0][1]
        found = []
        for at_s, timestamp in self.came:
            index = ((timestamp - first) % 2**32) // FRAME
            if at_s >= after_s and index < len(self._source.sent_s):
                found.append(at_s - self._source.sent_s[index])
        return found

    async def close(self) -> bool:
        """End; whether the session had lived until now."""
        lived = await self._signalling.delete()
        await self.connection.close()
        return lived


def sample_delays(
    heard: list[tuple[float, NDArray[np.float32]]], sent_s: list[float], sound: Samples
) -> list[tuple[float, float]]:
    """`(time, delay)` of each block that came back: from its first sample's capture, less one packet's length.

    Where a block belongs is found by correlation, so that it holds whatever the codec, a buffer or a lost packet did to
    the timeline. A block that resembles nothing (concealed, or the stream's first) is left out, and so is the stream's
    end, which waits for what never comes.
    """
    line = sound[0]
    last = (len(sent_s) - 4) * FRAME
    found = []
    lag = 0
    for at_s, block in heard:
        if block.size < 240 or not np.any(block):
            continue
        # What had been sent by then bounds where it can be from.
        newest = int(np.searchsorted(sent_s, at_s)) * FRAME
        place = _place(block, line, newest - lag, newest)
        if place is None:
            continue
        lag = newest - place
        frame, offset = divmod(place, FRAME)
        if 0 <= place < last:
            found.append((at_s, at_s - (sent_s[frame] + offset / RATE)))
    return found


_SEARCHED = 2 * RATE


def _place(block: NDArray[np.float32], line: NDArray[np.float32], guess: int, newest: int) -> int | None:
    """Where in `line[:newest]` a block is from, to the sample."""
    for begin, end in ((guess - 4, guess + block.size + 4), (newest - _SEARCHED, newest)):
        begin, end = max(begin, 0), min(end, newest, line.size)
        if end - begin < block.size:
            continue
        stretch = line[begin:end].astype(np.float64)
        size = 1 << int(stretch.size + block.size).bit_length()
        product = np.fft.rfft(stretch, size) * np.conj(np.fft.rfft(block, size))
        likeness = np.fft.irfft(product, size)[: stretch.size - block.size + 1]
        energy = np.concatenate([[0.0], np.cumsum(stretch**2)])
        norm = np.sqrt((energy[block.size :] - energy[: likeness.size]) * np.sum(block.astype(np.float64) ** 2))
        likeness = likeness / np.maximum(norm, 1e-9)
        best = int(np.argmax(likeness))
        if likeness[best] > 0.8:
            return begin + best
    return None
