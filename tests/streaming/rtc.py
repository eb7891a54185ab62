"""A WebRTC client of the tests: stock aiortc, but for the receive path, which is ours to hear without its delay."""

from __future__ import annotations

import asyncio
import fractions
import json
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import av
import httpx
import numpy as np
from aiortc import RTCConfiguration, RTCDataChannel, RTCIceServer, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from numpy.typing import NDArray

from streaming.rtc_audio_in import AudioReceiver, ReceiveSettings
from streaming.sdp_offer import Offer, Section
from tests.streaming.live import PATIENCE_S, House

RATE = 48_000
FRAME = 960
SDP = {"Content-Type": "application/sdp"}
FRAGMENT = {"Content-Type": "application/trickle-ice-sdpfrag"}


class Tone(MediaStreamTrack):
    """A microphone: a tone, 20 ms at a time in real time."""

    kind = "audio"

    def __init__(self, hz: float = 440.0, level: float = 0.3) -> None:
        super().__init__()
        self._hz, self._level = hz, level
        self._at = 0
        self._begun_s: float | None = None
        self.silent = asyncio.Event()
        """Set: nothing is sent any more."""

    async def recv(self) -> av.AudioFrame:
        """The next 20 ms."""
        loop = asyncio.get_running_loop()
        if self._begun_s is None:
            self._begun_s = loop.time()
        await asyncio.sleep(self._begun_s + self._at / RATE - loop.time())
        if self.silent.is_set():
            await asyncio.Event().wait()
        if self.readyState != "live":
            raise MediaStreamError
        seconds = (self._at + np.arange(FRAME)) / RATE
        sound = (self._level * 32767 * np.sin(2 * np.pi * self._hz * seconds)).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(np.repeat(sound, 2)[None], format="s16", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = RATE, self._at, fractions.Fraction(1, RATE)
        self._at += FRAME
        return frame


class Heard:
    """What came back on one line."""

    def __init__(self) -> None:
        self.pieces: list[NDArray[np.float32]] = []
        self.count = 0
        self._more = asyncio.Event()

    def take(self, samples: NDArray[np.float32], pts: int) -> None:
        """A sink."""
        self.pieces.append(samples.copy())
        self.count += samples.shape[1]
        self._more.set()

    @property
    def sound(self) -> NDArray[np.float32]:
        """All of it, mono."""
        return np.concatenate(self.pieces, axis=1).mean(axis=0) if self.pieces else np.zeros(0, np.float32)

    async def at_least(self, seconds: float, of: Callable[[], bool] = lambda: True) -> None:
        """Wait until so much was heard, and `of` holds."""
        async with asyncio.timeout(PATIENCE_S):
            while self.count < seconds * RATE or not of():
                self._more.clear()
                await self._more.wait()

    async def loud(self, above: float = 0.05) -> None:
        """Wait until something other than silence was heard in the last 0.2 s."""
        await self.at_least(0.2, lambda: bool(np.sqrt(np.mean(self.sound[-RATE // 5 :] ** 2)) > above))


class Client:
    """One peer connection and what it is told."""

    def __init__(self, house: House, servers: Iterable[RTCIceServer] = ()) -> None:
        self.house = house
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=list(servers)))
        self.http = house.web()
        self.texts: list[dict[str, Any]] = []
        self.lines: list[Heard] = []
        self.location = self.etag = self.session = ""
        self._news = asyncio.Event()
        self._receivers: list[AudioReceiver] = []
        self.channel: RTCDataChannel | None = None

    def listen(self) -> Heard:
        """Hear another line."""
        return self.hear(self.connection.addTransceiver("audio", "recvonly"))

    def speak(self, track: MediaStreamTrack, direction: str = "sendrecv") -> Heard:
        """Send a track; hear what comes back on its line."""
        return self.hear(self.connection.addTransceiver(track, direction))

    def hear(self, line: Any) -> Heard:
        """What comes on a line."""
        heard = Heard()
        receiver = AudioReceiver(heard.take, ReceiveSettings(channels=2))
        receiver.attach(line.receiver)
        self._receivers.append(receiver)
        self.lines.append(heard)
        return heard

    def talk(self, label: str = "winnow.v1") -> RTCDataChannel:
        """Open the data channel."""
        channel = self.channel = self.connection.createDataChannel(label)

        @channel.on("message")
        def on_message(text: str) -> None:
            self.texts.append(json.loads(text))
            self._news.set()

        return channel

    async def told(self, kind: str) -> dict[str, Any]:
        """Wait for a text of a type; it is taken out."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                for text in self.texts:
                    if text["type"] == kind:
                        self.texts.remove(text)
                        return text
                self._news.clear()
                await self._news.wait()

    async def offer(self) -> str:
        """The SDP of our offer, candidates in it."""
        await self.connection.setLocalDescription(await self.connection.createOffer())
        return str(self.connection.localDescription.sdp)

    async def post(self, url: str, **headers: str) -> httpx.Response:
        """Offer, and apply the answer where there is one."""
        response = await self.http.post(url, content=await self.offer(), headers={**SDP, **headers})
        if response.status_code == 201:
            self.location, self.etag = response.headers["location"], response.headers["etag"]
            self.session = response.headers["id"]
            await self.connection.setRemoteDescription(RTCSessionDescription(response.text, "answer"))
        return response

    async def connected(self) -> None:
        """Wait until the connection stands."""
        await self.state("connected")

    async def state(self, wanted: str) -> None:
        """Wait for a state of the connection."""
        reached = asyncio.Event()

        def look() -> None:
            if self.connection.connectionState == wanted:
                reached.set()

        self.connection.on("connectionstatechange", look)
        look()
        async with asyncio.timeout(PATIENCE_S):
            await reached.wait()

    async def close(self) -> None:
        """The end."""
        for receiver in self._receivers:
            receiver.close()
        await self.connection.close()
        await self.http.aclose()


@asynccontextmanager
async def client(house: House, servers: Iterable[RTCIceServer] = ()) -> AsyncIterator[Client]:
    """A client, closed at the end."""
    one = Client(house, servers)
    try:
        yield one
    finally:
        await one.close()


def offer(*sections: tuple[str, bool, bool]) -> Offer:
    """An offer of (kind, sends, receives)."""
    made = [
        Section(index, str(index), kind, sends, receives, "opus" if kind == "audio" else "vp8", ("vp8", "h264"))
        for index, (kind, sends, receives) in enumerate(sections)
    ]
    return Offer("", tuple(made), False, "user", "password")
