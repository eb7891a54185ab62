"""Do picture and sound still belong together when they come back from the server?

Regime: a clip of flashes and clicks is published by WHIP (VP8 and Opus, every packet leaves when its time stamp is due,
as from a file) and comes back in the same peer connection: the sound through a session, the picture untouched, held
until its sound leaves. Each flash is one white frame, its click begins at the same moment. Skew is flash minus click,
positive where the picture is late, measured twice:

* `played`: by the sender reports of the returned streams, as a player puts them on one clock (here the middle of the
  last five reports; libwebrtc fits a line through twenty);
* `arrival`: by when the frame and the sound were there, without any reports.

Floor: the same clip sent straight from peer to peer, with no server between (run first): what is left there is
the publisher's own doing (its encoders' time and look-ahead), and a server that keeps step adds nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import fractions
import urllib.request
from dataclasses import dataclass, field
from typing import Any

import av
import numpy as np
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from benchmarks import report
from benchmarks.server_process import ServerProcess, running_server
from engine.frames import Samples
from streaming import aiortc_picture
from streaming.rtc_audio_in import AudioReceiver, ReceiveSettings
from streaming.rtc_picture_in import CodedPicture, PictureBuffer
from streaming.rtc_sync import PICTURE_HZ, SOUND_HZ, SenderClock

NAME = "av_skew"
FPS = 30
FRAME = 960
EVERY = 17
"""Frames between flashes: 0.57 s, so that they fall anywhere in a packet."""
CLICK = 480
SETTLING_S = 3.0
"""The first reports take a second and a half; what comes before they are there is not counted."""


class Clip:
    """One clock for both tracks."""

    def __init__(self) -> None:
        self._begun_s: float | None = None

    async def due(self, seconds: float) -> None:
        """Wait until this moment of the clip."""
        loop = asyncio.get_running_loop()
        if self._begun_s is None:
            self._begun_s = loop.time()
        await asyncio.sleep(max(self._begun_s + seconds - loop.time(), 0))


class Clicks(MediaStreamTrack):
    """Silence, and 10 ms of noise that begins with every flash."""

    kind = "audio"

    def __init__(self, clip: Clip) -> None:
        super().__init__()
        self._clip, self._at = clip, 0
        self._burst = np.random.default_rng(1).integers(-20000, 20000, CLICK).astype(np.int16)

    async def recv(self) -> av.AudioFrame:
        """The next 20 ms."""
        await self._clip.due(self._at / SOUND_HZ)
        every = EVERY * SOUND_HZ // FPS
        place = (self._at + np.arange(FRAME)) % every
        sound = np.where(place < CLICK, self._burst[np.minimum(place, CLICK - 1)], 0).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(np.repeat(sound, 2)[None], format="s16", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = SOUND_HZ, self._at, fractions.Fraction(1, SOUND_HZ)
        self._at += FRAME
        return frame


class Flashes(MediaStreamTrack):
    """Grey, and one white frame in `EVERY`."""

    kind = "video"

    def __init__(self, clip: Clip) -> None:
        super().__init__()
        self._clip, self._at = clip, 0

    async def recv(self) -> av.VideoFrame:
        """The next frame."""
        await self._clip.due(self._at / FPS)
        light = 235 if self._at % EVERY == 0 else 60
        frame = av.VideoFrame.from_ndarray(np.full((180, 160), light, np.uint8)[:180], format="gray8")
        frame = frame.reformat(format="yuv420p")
        frame.pts, frame.time_base = self._at * PICTURE_HZ // FPS, fractions.Fraction(1, PICTURE_HZ)
        self._at += 1
        return frame


@dataclass
class Moment:
    """A flash or a click: when it was there, and its RTP timestamp."""

    arrived_s: float
    timestamp: int
    played_s: float | None = None


@dataclass
class Ear:
    """Finds clicks."""

    receiver: AudioReceiver | None = None
    clock: SenderClock = field(default_factory=lambda: SenderClock(SOUND_HZ))
    found: list[Moment] = field(default_factory=list)
    quiet: int = SOUND_HZ

    def take(self, samples: Samples, pts: int) -> None:
        """A sink."""
        assert self.receiver is not None
        loud = np.flatnonzero(np.abs(samples).max(axis=0) > 0.1)
        if not loud.size:
            self.quiet += samples.shape[1]
            return
        if self.quiet + loud[0] > SOUND_HZ // 4:
            at = pts + int(loud[0])
            # A packet's sound is played from its arrival on: the click so much later as it lies behind its beginning.
            arrived_s = asyncio.get_running_loop().time() + int(loud[0]) / SOUND_HZ
            timestamp = (at - self.receiver.pts_of(0)) % (1 << 32)
            played_s = self.clock.wall_s(timestamp) if self.clock.known else None
            self.found.append(Moment(arrived_s, timestamp, played_s))
        self.quiet = samples.shape[1] - int(loud[-1]) - 1


@dataclass
class Eye:
    """Finds flashes."""

    clock: SenderClock = field(default_factory=lambda: SenderClock(PICTURE_HZ))
    found: list[Moment] = field(default_factory=list)
    frames: int = 0
    decoder: Any = field(default_factory=lambda: av.CodecContext.create("libvpx", "r"))

    def take(self, picture: CodedPicture) -> None:
        """A coded frame."""
        self.frames += 1
        for frame in self.decoder.decode(av.Packet(picture.data)):
            if frame.to_ndarray(format="gray8").mean() > 150:
                played_s = self.clock.wall_s(picture.timestamp) if self.clock.known else None
                self.found.append(Moment(picture.arrived_s, picture.timestamp, played_s))


def listen(connection: RTCPeerConnection) -> tuple[Ear, Eye]:
    """Hear and see what comes back on a connection's lines; both are there already."""
    ear, eye = Ear(), Eye()
    loop = asyncio.get_running_loop()
    for line in connection.getTransceivers():
        if line.kind == "audio":
            ear.receiver = AudioReceiver(ear.take, ReceiveSettings(channels=2))
            ear.receiver.attach(line.receiver)
            aiortc_picture.hear_reports(line.receiver, ear.clock.report)
        else:
            aiortc_picture.replace_picture_buffer(line.receiver, PictureBuffer("vp8", eye.take, loop.time))
            aiortc_picture.hear_reports(line.receiver, eye.clock.report)
    return ear, eye


def publisher() -> RTCPeerConnection:
    """A peer that plays the clip."""
    clip = Clip()
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    for track in (Clicks(clip), Flashes(clip)):
        connection.addTransceiver(track, "sendrecv")
    return connection


async def offer_of(connection: RTCPeerConnection) -> str:
    """Its offer, all candidates in it."""
    await connection.setLocalDescription(await connection.createOffer())
    return str(connection.localDescription.sdp)


def post(url: str, offer: str) -> str:
    """The answer to an offer."""
    request = urllib.request.Request(url, data=offer.encode(), headers={"Content-Type": "application/sdp"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return str(answer.read().decode())


async def through_server(server: ServerProcess, seconds: float) -> tuple[Ear, Eye]:
    """Publish, and take what comes back."""
    connection = publisher()
    ear, eye = listen(connection)
    url = f"http://127.0.0.1:{server.port}/v1/whip?prompt=speech"
    text = await asyncio.to_thread(post, url, await offer_of(connection))
    await connection.setRemoteDescription(RTCSessionDescription(text, "answer"))
    await asyncio.sleep(seconds)
    await connection.close()
    return ear, eye


async def direct(seconds: float) -> tuple[Ear, Eye]:
    """The clip from one peer to another."""
    sender, receiver = publisher(), RTCPeerConnection(RTCConfiguration(iceServers=[]))
    for kind in ("audio", "video"):
        receiver.addTransceiver(kind, "recvonly")
    ear, eye = listen(receiver)
    await receiver.setRemoteDescription(RTCSessionDescription(await offer_of(sender), "offer"))
    await receiver.setLocalDescription(await receiver.createAnswer())
    await sender.setRemoteDescription(RTCSessionDescription(receiver.localDescription.sdp, "answer"))
    await asyncio.sleep(seconds)
    for connection in (sender, receiver):
        await connection.close()
    return ear, eye


def judged(ear: Ear, eye: Eye) -> dict[str, Any]:
    """Skews of all pairs after the first seconds, in ms."""
    begun_s = min((moment.arrived_s for moment in ear.found), default=0.0)
    arrival, played = [], []
    for flash in eye.found:
        click = min(ear.found, key=lambda one: abs(one.arrived_s - flash.arrived_s), default=None)
        if click is None or flash.arrived_s - begun_s < SETTLING_S or abs(click.arrived_s - flash.arrived_s) > 0.25:
            continue
        arrival.append(flash.arrived_s - click.arrived_s)
        if flash.played_s is not None and click.played_s is not None:
            played.append(flash.played_s - click.played_s)
    return {
        "pairs": len(arrival), "clicks": len(ear.found), "flashes": len(eye.found), "frames": eye.frames,
        "played_ms": signed(played), "arrival_ms": signed(arrival),
    }  # fmt: skip


def signed(skews: list[float]) -> dict[str, float]:
    """Median with its sign, and the 95th percentile and maximum of the size, in ms."""
    if not skews:
        return {}
    sizes = np.abs(skews) * 1e3
    return {
        "p50": round(float(np.median(skews)) * 1e3, 2),
        "abs_p95": round(float(np.percentile(sizes, 95)), 2),
        "abs_max": round(float(sizes.max()), 2),
    }


def options() -> argparse.ArgumentParser:
    """What can be asked for."""
    parser = report.options(__doc__)
    parser.add_argument("--model", default="identity", help="bundle name or folder")
    parser.add_argument("--seconds", type=float, default=40.0, help="of clip, for each way")
    parser.add_argument("--core", type=int, default=0, help="the server's core")
    return parser


def main() -> None:
    """Run both ways."""
    asked = options().parse_args()
    floor = judged(*asyncio.run(direct(asked.seconds)))
    print(f"peer to peer (floor): played {floor['played_ms']}  arrival {floor['arrival_ms']}  {floor['pairs']} pairs")
    with running_server(asked.model, asked.core) as server:
        found = judged(*asyncio.run(through_server(server, asked.seconds)))
    print(f"through the server:   played {found['played_ms']}  arrival {found['arrival_ms']}  {found['pairs']} pairs")
    report.finish(NAME, {"seconds": asked.seconds, "model": asked.model, "direct": floor, "server": found}, asked)


if __name__ == "__main__":
    report.run(main)
