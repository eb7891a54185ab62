"""The peer's picture on its way back and to viewers: the same coded frames, held until their sound leaves.

Nothing is decoded here. Who joins, or fell behind, gets nothing until the next key frame, and one is asked for.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from fractions import Fraction
from typing import Any, TypeAlias

import av
from aiortc import MediaStreamTrack, RTCRtpReceiver, RTCRtpSender
from aiortc.mediastreams import MediaStreamError

from streaming import aiortc_picture
from streaming.audience import Audience
from streaming.opus import OpusSettings
from streaming.rtc_audio_in import AudioReceiver
from streaming.rtc_picture_in import CodedPicture, PictureBuffer
from streaming.rtc_sync import PICTURE_HZ, Step
from streaming.stream import Hop

CodedFrame: TypeAlias = "av.Packet[av.VideoStream]"
"""One coded frame; pts in 1/90000 s."""

_TIME_BASE = Fraction(1, PICTURE_HZ)
_MOST_HELD = 120
"""Frames that wait for their sound: two seconds of 60 a second, four times the longest hold."""
_MOST_UNREAD = 60
"""Frames that one viewer may be behind."""
_ASK_EVERY_S = 0.5
_HALF, _WHOLE = 1 << 31, 1 << 32


class PictureTrack(MediaStreamTrack):
    """What one viewer sees: coded frames from a key frame on.

    Args:
        ask: asks for a key frame.
        leave: told when it is stopped.
    """

    kind = "video"

    def __init__(self, ask: Callable[[], None], leave: Callable[[PictureTrack], None]) -> None:
        super().__init__()
        self._ask, self._leave = ask, leave
        self._frames: deque[CodedFrame] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._lost = True
        self.dropped = 0
        """Frames that this viewer did not get."""

    def put(self, frame: CodedFrame, key: bool) -> None:
        """One more frame. A viewer that is too far behind starts anew with the newest key frame."""
        if len(self._frames) >= _MOST_UNREAD:
            self.dropped += len(self._frames)
            self._frames.clear()
            self._lost = True
        if self._lost and not key:
            self.dropped += 1
            self._ask()
            return
        self._lost = False
        self._frames.append(frame)
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def recv(self) -> CodedFrame:
        """The next frame.

        Raises:
            MediaStreamError: the track has ended.
        """
        while not self._frames:
            if self.readyState != "live":
                raise MediaStreamError
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        return self._frames.popleft()

    def stop(self) -> None:
        """No more is wanted."""
        super().stop()
        self._leave(self)
        self._frames.clear()
        self._wake()


class PictureRelay:
    """See the module; one a publishing peer. An `Ear` of its session, to know when sound leaves.

    Args:
        codec: `vp8` or `h264`.
        receiver: of the picture, before it has received anything.
        sound_receiver: aiortc's, of the sound that belongs to it.
        sound: ours, of the same.
        audience: of the session.
        coding: of the sound that leaves.
    """

    def __init__(
        self, codec: str, receiver: RTCRtpReceiver, sound_receiver: RTCRtpReceiver, sound: AudioReceiver,
        audience: Audience, coding: OpusSettings,
    ) -> None:  # fmt: skip
        self.codec = codec
        self.dropped = 0
        """Frames dropped because they could not leave in time."""
        self._loop = asyncio.get_running_loop()
        self._receiver, self._audience = receiver, audience
        self._step = Step(sound.pts_of, coding.frame, coding.lookahead)
        self._buffer = PictureBuffer(codec, self._take, self._loop.time)
        aiortc_picture.replace_picture_buffer(receiver, self._buffer)
        aiortc_picture.hear_reports(receiver, self._step.picture.report)
        aiortc_picture.hear_reports(sound_receiver, self._step.sound.report)
        self._held: deque[tuple[float, CodedPicture]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._viewers: set[PictureTrack] = set()
        self._first: int | None = None
        self._newest = 0
        self._asked_s = -_ASK_EVERY_S
        self._asking: asyncio.Task[None] | None = None
        self._heard_track: int | None = None
        self._broken = False

    # --- sound ------------------------------------------------------------------------------------------------

    def sound_came(self, end: int) -> None:
        """Sound up to pts `end` was taken in."""
        self._step.sound_came(end, self._loop.time())
        if self._heard_track is None and self._audience.tracks:
            self._heard_track = min(self._audience.tracks)
            self._audience.join(self._heard_track, self)

    def hear(self, hop: Hop) -> None:
        """Sound is leaving."""
        self._step.sound_left(hop.begin, hop.end, self._loop.time())

    def end(self) -> None:
        """That track is over; another one tells the time."""
        self._heard_track = None

    # --- picture ----------------------------------------------------------------------------------------------

    @property
    def frames(self) -> int:
        """Whole frames that came in."""
        return self._buffer.frames

    def show(self, sender: RTCRtpSender) -> None:
        """Send the picture here too, from now on."""
        track = PictureTrack(self._ask_for_key, self._viewers.discard)
        self._viewers.add(track)
        sender.replaceTrack(track)
        # Who sees nothing yet asks for a key frame: that is the publisher's to send.
        aiortc_picture.hear_key_requests(sender, self._ask_for_key)

    def _take(self, picture: CodedPicture) -> None:
        now_s = self._loop.time()
        due_s = self._step.picture_came(picture.timestamp, now_s)
        if self._held:
            due_s = max(due_s, self._held[-1][0])
        self._held.append((due_s, picture))
        if len(self._held) > _MOST_HELD:
            self._catch_up()
        if self._timer is None:
            self._set_timer()

    def _catch_up(self) -> None:
        """Newest wins: what is held goes, up to the newest key frame."""
        newest = max((index for index, (_, picture) in enumerate(self._held) if picture.key), default=len(self._held))
        for _ in range(newest):
            self._held.popleft()
        self.dropped += newest
        if not self._held:
            self._broken = True
            self._ask_for_key()

    def _set_timer(self) -> None:
        if self._held:
            self._timer = self._loop.call_at(self._held[0][0], self._let_go)

    def _let_go(self) -> None:
        self._timer = None
        now_s = self._loop.time()
        while self._held and self._held[0][0] <= now_s + 0.0005:
            self._send(self._held.popleft()[1])
        self._set_timer()

    def _send(self, picture: CodedPicture) -> None:
        if self._broken and not picture.key:
            self.dropped += 1
            return
        self._broken = False
        if self._first is None:
            self._first = self._newest = picture.timestamp
        self._newest += (picture.timestamp - self._newest + _HALF) % _WHOLE - _HALF
        frame: Any = av.Packet(picture.data)
        frame.pts = self._newest - self._first
        frame.time_base = _TIME_BASE
        for viewer in tuple(self._viewers):
            viewer.put(frame, picture.key)

    def _ask_for_key(self) -> None:
        now_s = self._loop.time()
        if now_s - self._asked_s >= _ASK_EVERY_S:
            self._asked_s = now_s
            self._asking = asyncio.ensure_future(aiortc_picture.ask_for_key(self._receiver))

    def close(self) -> None:
        """The viewers' tracks end; harmless when repeated."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._held.clear()
        for viewer in tuple(self._viewers):
            viewer.stop()
