"""The picture goes through: the very same frames, in order, back and to viewers, from a key frame on."""

from __future__ import annotations

import asyncio
import fractions
from typing import Any

import av
import numpy as np
import pytest
from aiortc import RTCRtpSender
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack

from engine.bundle import Bundle
from streaming import aiortc_picture
from streaming.rtc_picture import PictureTrack
from streaming.rtc_picture_in import CodedPicture, PictureBuffer
from tests.streaming.live import PATIENCE_S, house
from tests.streaming.rtc import Client, Tone, client


class Counting(MediaStreamTrack):
    """A camera: grey frames, each a little lighter than the one before, 30 a second."""

    kind = "video"

    def __init__(self) -> None:
        super().__init__()
        self.at = 0
        self._begun_s: float | None = None

    async def recv(self) -> av.VideoFrame:
        """The next frame."""
        loop = asyncio.get_running_loop()
        if self._begun_s is None:
            self._begun_s = loop.time()
        await asyncio.sleep(self._begun_s + self.at / 30 - loop.time())
        frame = av.VideoFrame.from_ndarray(np.full((120, 160), 16 + self.at % 200, np.uint8), format="gray8")
        frame = frame.reformat(format="yuv420p")
        frame.pts, frame.time_base = self.at * 3000, fractions.Fraction(1, 90000)
        self.at += 1
        return frame


class Screen:
    """What came: coded frames."""

    def __init__(self) -> None:
        self.frames: list[CodedPicture] = []
        self._more = asyncio.Event()

    def take(self, picture: CodedPicture) -> None:
        """A frame."""
        self.frames.append(picture)
        self._more.set()

    async def at_least(self, count: int) -> None:
        """Wait for so many."""
        async with asyncio.timeout(PATIENCE_S):
            while len(self.frames) < count:
                self._more.clear()
                await self._more.wait()


def watch(line: Any, codec: str = "vp8") -> Screen:
    """See what comes on a line, undecoded."""
    screen = Screen()
    buffer = PictureBuffer(codec, screen.take, asyncio.get_running_loop().time)
    aiortc_picture.replace_picture_buffer(line.receiver, buffer)
    return screen


def prefer(line: Any, mime: str) -> None:
    """Offer this codec alone."""
    known = RTCRtpSender.getCapabilities("video").codecs
    line.setCodecPreferences([codec for codec in known if codec.mimeType in (mime, "video/rtx")])


@pytest.mark.parametrize("mime", ["video/VP8", "video/H264"])
async def test_the_same_frames_come_back_and_go_to_viewers(identity: Bundle, mime: str) -> None:
    codec = mime.partition("/")[2].lower()
    async with house(identity) as home, client(home) as peer, client(home) as viewer:
        sound = peer.speak(Tone())
        line = peer.connection.addTransceiver(Counting(), "sendrecv")
        prefer(line, mime)
        back = watch(line, codec)
        assert (await peer.post("/v1/whip?prompt=speech")).status_code == 201
        await sound.loud()
        await back.at_least(15)
        viewer.listen()
        seen = watch(viewer.connection.addTransceiver("video", "recvonly"), codec)
        assert (await viewer.post(f"/v1/whep/{peer.session}/0")).status_code == 201
        await seen.at_least(10)
        (publisher,) = home.server.config.loaded_app.state.peers.publishers.values()
        assert publisher.picture is not None
        assert publisher.picture.codec == codec
        assert publisher.picture.dropped == 0
        assert seen.frames[0].key
        # Byte for byte what came back to the publisher, who got it byte for byte from its own encoder's packets.
        both = {frame.data for frame in back.frames} & {frame.data for frame in seen.frames}
        assert len(both) >= 5
        steps = np.diff([frame.timestamp for frame in back.frames]) % (1 << 32)
        # aiortc's encoder rounds some time stamps by one itself.
        assert np.abs((steps + 1500) % 3000 - 1500).max() <= 1


async def test_a_viewer_without_a_picture_hears_all_the_same(identity: Bundle) -> None:
    async with house(identity) as home, client(home) as peer, client(home) as viewer:
        peer.speak(Tone(), "sendonly")
        await peer.post("/v1/whip?prompt=speech")
        heard = viewer.listen()
        viewer.connection.addTransceiver("video", "recvonly")
        answer = await viewer.post(f"/v1/whep/{peer.session}/0")
        assert answer.status_code == 201
        assert "a=inactive" in answer.text
        await heard.loud()


async def publish_silently(peer: Client) -> Screen:
    """A picture whose sound never comes."""
    microphone = Tone()
    microphone.silent.set()
    peer.speak(microphone)
    screen = watch(peer.connection.addTransceiver(Counting(), "sendrecv"))
    assert (await peer.post("/v1/whip?prompt=speech")).status_code == 201
    return screen


async def test_a_picture_does_not_wait_for_a_sound_that_never_comes(identity: Bundle) -> None:
    async with house(identity) as home, client(home) as peer:
        screen = await publish_silently(peer)
        await screen.at_least(5)
        (publisher,) = home.server.config.loaded_app.state.peers.publishers.values()
        assert publisher.receiver.stats().received == 0
        assert publisher.picture.frames >= len(screen.frames) >= 5


async def test_a_relay_that_is_behind_goes_on_with_the_newest(identity: Bundle) -> None:
    async with house(identity) as home, client(home) as peer:
        peer.speak(Tone())
        peer.connection.addTransceiver(Counting(), "sendrecv")
        await peer.post("/v1/whip?prompt=speech")
        (publisher,) = home.server.config.loaded_app.state.peers.publishers.values()
        relay = publisher.picture
        later_s = asyncio.get_running_loop().time() + 60
        picture = [CodedPicture(b"x", 3000 * index, index in (0, 100), 0.0) for index in range(121)]
        relay._held.extend((later_s, one) for one in picture[:120])
        relay._catch_up()
        assert relay._held[0][1] is picture[100]
        assert relay.dropped == 100
        # Where there is no key frame among them, all go, and nothing is shown until one comes.
        relay._held.clear()
        relay._held.extend((later_s, one) for one in picture[101:120])
        relay._catch_up()
        assert not relay._held
        dropped = relay.dropped
        relay._send(picture[110])
        assert relay.dropped == dropped + 1


# --- one viewer's track -----------------------------------------------------------------------------------------


def frame(index: int) -> Any:
    """A packet."""
    packet = av.Packet(b"x")
    packet.pts = index
    return packet


async def test_who_joins_late_waits_for_a_key_frame_and_asks_for_one() -> None:
    asked: list[int] = []
    track = PictureTrack(lambda: asked.append(1), lambda one: None)
    track.put(frame(0), key=False)
    track.put(frame(1), key=True)
    track.put(frame(2), key=False)
    assert [(await track.recv()).pts, (await track.recv()).pts] == [1, 2]
    assert asked == [1]
    assert track.dropped == 1


async def test_who_does_not_read_loses_whole_groups_and_goes_on_with_the_newest() -> None:
    asked: list[int] = []
    track = PictureTrack(lambda: asked.append(1), lambda one: None)
    for index in range(200):
        track.put(frame(index), key=index in (0, 150))
    first = await track.recv()
    assert first.pts == 150
    assert track.dropped == 150
    assert asked


async def test_the_end_wakes_who_waits() -> None:
    left: list[PictureTrack] = []
    track = PictureTrack(lambda: None, left.append)
    waiting = asyncio.create_task(track.recv())
    await asyncio.sleep(0)
    track.stop()
    with pytest.raises(MediaStreamError):
        await waiting
    assert left == [track]
