"""Outgoing sound tracks: one encoder for each track of a session, and lines that may change what they carry."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError

from engine.resample import StreamResampler, converted_count
from streaming.audience import Audience, HopFormat
from streaming.opus import RATE, OpusSettings
from streaming.rtc_audio_out import AudioFanOut, Coded, ViewerTrack
from streaming.settings import Settings
from streaming.stream import Hop


def coding_of(settings: Settings) -> OpusSettings:
    """How a server codes what it sends; a track's channels are its own."""
    return OpusSettings(
        application=settings.opus_application,
        bitrate=settings.opus_bitrate,
        frame_ms=settings.opus_frame_ms,
        in_band_fec=settings.opus_fec,
    )


class TrackSound:
    """A session's track as Opus, for however many peers listen; an `Ear` of the session's audience."""

    def __init__(self, format_: HopFormat, coding: OpusSettings) -> None:
        self._format = format_
        self._fan_out = AudioFanOut(replace(coding, channels=format_.channels))
        self._resampler: StreamResampler | None = None
        self._expected = -1
        self._pts = 0
        self._when_over: list[Callable[[], None]] = []
        self._over = False

    @property
    def packet_s(self) -> float:
        """How long one packet lasts."""
        return self._fan_out.settings.frame / RATE

    def hear(self, hop: Hop) -> None:
        """The next hop."""
        samples = self._format.samples(hop)
        if self._format.rate == RATE:
            self._fan_out.feed(samples, hop.begin)
            return
        if self._resampler is None or hop.begin != self._expected:
            self._resampler = StreamResampler(self._format.channels, self._format.rate, RATE)
            self._pts = converted_count(hop.begin, self._format.rate, RATE)
        self._expected = hop.end
        sound = self._resampler.push(samples)
        if sound.shape[1]:
            self._fan_out.feed(sound, self._pts)
            self._pts += sound.shape[1]

    def end(self) -> None:
        """The track is over: so are the viewers' tracks."""
        self._over = True
        self._fan_out.close()
        callbacks, self._when_over = self._when_over, []
        for callback in callbacks:
            callback()

    def subscribe(self) -> ViewerTrack:
        """A track for one more listener."""
        return self._fan_out.subscribe()

    def when_over(self, callback: Callable[[], None]) -> None:
        """Call it when the track ends; at once where it has."""
        if self._over:
            callback()
        else:
            self._when_over.append(callback)


def sound_of(audience: Audience, index: int, coding: OpusSettings) -> TrackSound:
    """The one `TrackSound` of a track; made for the first who asks. The session must have started."""
    for ear in audience.ears(index):
        if isinstance(ear, TrackSound):
            return ear
    assert audience.format is not None, "a session that has started has a format"
    sound = TrackSound(audience.format, coding)
    audience.join(index, sound)
    return sound


class LineTrack(MediaStreamTrack):
    """What goes out on one m-line: nothing at first, then whatever `carry` gave it last."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._source: ViewerTrack | None = None
        self._changed = asyncio.Event()

    def carry(self, source: ViewerTrack | None) -> None:
        """Send this from now on."""
        before, self._source = self._source, source
        self._changed.set()
        if before is not None:
            before.stop()

    async def recv(self) -> Coded:
        """The next packet.

        Raises:
            MediaStreamError: the line has ended.
        """
        while self.readyState == "live":
            source = self._source
            if source is None:
                self._changed.clear()
                await self._changed.wait()
                continue
            try:
                return await source.recv()
            except MediaStreamError:
                if self._source is source:
                    self._source = None
        raise MediaStreamError

    def stop(self) -> None:
        """Nothing more goes out."""
        super().stop()
        self.carry(None)
