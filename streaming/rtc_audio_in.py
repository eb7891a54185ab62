"""Sound that comes in by WebRTC: RTP packets to a timeline without holes, handed on as soon as they are here.

Packets go from aiortc's receiver through our own jitter buffer (`streaming.jitter`) and libopus (`streaming.opus`), on
the event loop: decoding 20 ms takes about 50 µs, less than a hop to a thread and back. What was lost is recovered from
the next packet's in-band FEC where the sender put it there, else rebuilt from both sides (`streaming.gap_repair`);
where nothing follows yet, libopus continues what was heard.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from aiortc import MediaStreamTrack, RTCRtpReceiver
from aiortc.mediastreams import MediaStreamError
from aiortc.rtp import RtpPacket

from engine.errors import BadInput
from engine.frames import Samples
from streaming import aiortc_inside, opus
from streaming.concealment import LONGEST_BRIDGE, Bridge
from streaming.drift import DriftCorrector, DriftEstimator
from streaming.gap_repair import GapRepair
from streaming.jitter import JitterBuffer, Stretch
from streaming.packet_timing import JitterSettings

log = logging.getLogger("winnow.streaming.webrtc")

SoundSink = Callable[[Samples, int], None]
"""Gets `(channels, n)` float32 at 48 kHz and the pts of its first sample; called on the event loop."""

_LONGEST_CONCEALMENT = opus.RATE // 5
"""Samples concealed in a row before silence: after 0.2 s there is nothing left to continue."""
_PIECE = 960
"""Samples concealed at a time."""


@dataclass(frozen=True, slots=True)
class ReceiveSettings:
    """How incoming sound is received.

    Raises:
        BadInput: neither mono nor stereo.
    """

    channels: int = 2
    correct_drift: bool = True
    jitter: JitterSettings = field(default_factory=JitterSettings)

    def __post_init__(self) -> None:
        if self.channels not in (1, 2):
            raise BadInput("channels", "1 or 2", self.channels)


@dataclass(frozen=True, slots=True)
class ReceiveStats:
    """What the network did, in packets, and what was made of it.

    Attributes:
        jitter_ms: interarrival jitter (RFC 3550).
        hold_ms: how long a gap waits for an overtaken packet now.
        received, lost, late, duplicates, reordered, refused, damaged: packets. `lost` were given up; `late` came after
            that; `refused` were faster than real time or out of all order; `damaged` could not be decoded.
        concealed_ms: sound that was not received in time and is not a pause.
        recovered_ms: what of it in-band FEC brought back; the rest is made up.
        paused_ms: sound that the sender left out (DTX).
        drift_ppm: by how much the sender's clock is quicker than ours.
        idle_s: time since the last packet; None before the first.
        restarts: how often another sender or clock went on.
    """

    jitter_ms: float
    hold_ms: float
    received: int
    lost: int
    late: int
    duplicates: int
    reordered: int
    refused: int
    damaged: int
    concealed_ms: float
    recovered_ms: float
    paused_ms: float
    drift_ppm: float
    idle_s: float | None
    restarts: int


class AudioReceiver:
    """One received audio track. `sink` hears everything, contiguous in pts; pts 0 is the first sample that came.

    Args:
        sink: must not block; what it raises is logged, and ends this receiver (`failed`).
        settings: how.
        clock: seconds that never run backwards; default: the running loop's.
    """

    def __init__(
        self, sink: SoundSink, settings: ReceiveSettings | None = None, clock: Callable[[], float] | None = None
    ) -> None:
        self.settings = settings or ReceiveSettings()
        self._sink: SoundSink | None = sink
        self._loop = asyncio.get_running_loop()
        self._clock = clock or self._loop.time
        self._buffer = JitterBuffer(self.settings.jitter, opus.RATE)
        self._decoder = opus.OpusDecoder(self.settings.channels)
        self._bridge = Bridge()
        self._repair = GapRepair(self._decoder, self._bridge)
        self._drift = DriftEstimator(opus.RATE)
        self._corrector = DriftCorrector()
        self._next_pts = 0
        self._receiver: RTCRtpReceiver | None = None
        self._source: int | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._concealed_in_a_row = 0
        self._damaged = 0
        self._recovered_count = 0
        self._last_arrival_s: float | None = None
        self.failed: Exception | None = None
        """What the sink raised."""

    def attach(self, receiver: RTCRtpReceiver) -> None:
        """Take a receiver's packets from aiortc: its own buffer and decoder see nothing any more.

        Raises:
            AiortcMoved: aiortc is not the version that we know.
        """
        aiortc_inside.take_every_packet(receiver, self._take_rtp)
        self._receiver = receiver

    def close(self) -> None:
        """Nothing reaches the sink any more; harmless when repeated. `stats` still tells."""
        if self._sink is not None:
            self._sink = None
            # 0.2 MB that need not wait until the garbage collector finds the cycles that aiortc leaves behind.
            del self._decoder, self._bridge, self._repair
        if self._receiver is not None:
            aiortc_inside.let_go(self._receiver)
            self._receiver = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @property
    def next_pts(self) -> int:
        """Where the next sound will begin."""
        return self._next_pts

    def arrival_s(self, pts: int) -> float | None:
        """When sound at this pts (of the last seconds) came, had its packet been as quick as the quickest, by the
        clock; what a picture is put in step by. None before the first packet."""
        return self._buffer.arrival_s(pts + self._corrector.removed)

    def pts_of(self, timestamp: int) -> int:
        """The pts of an RTP timestamp, nearest to the newest packet's: what sender reports are matched by."""
        return self._buffer.pts_of(timestamp)

    def stats(self) -> ReceiveStats:
        """As of now."""
        counts, now_s = self._buffer.counts, self._clock()
        return ReceiveStats(
            jitter_ms=round(self._buffer.jitter_s * 1e3, 3),
            hold_ms=round(self._buffer.hold_s * 1e3, 3),
            received=counts.received,
            lost=counts.lost,
            late=counts.late,
            duplicates=counts.duplicate,
            reordered=counts.reordered,
            refused=counts.refused,
            damaged=self._damaged,
            concealed_ms=counts.concealed * 1e3 / opus.RATE,
            recovered_ms=self._recovered_count * 1e3 / opus.RATE,
            paused_ms=counts.paused * 1e3 / opus.RATE,
            drift_ppm=round(self._drift.ppm, 1),
            idle_s=None if self._last_arrival_s is None else now_s - self._last_arrival_s,
            restarts=counts.restarts,
        )

    def _take_rtp(self, packet: RtpPacket) -> None:
        self.take(packet.ssrc, packet.sequence_number, packet.timestamp, packet.payload)

    def take(self, source: int, sequence: int, timestamp: int, payload: bytes) -> None:
        """One packet of Opus as it came: SSRC, RTP sequence number and timestamp, payload."""
        if self._sink is None:
            return
        count = opus.packet_samples(payload)
        if not count:
            self._damaged += bool(payload)
            return
        if source != self._source:
            if self._source is not None:
                self._buffer.restart()
                self._drift.restart(self._clock())
                self._decoder.reset()
                self._bridge.forget()
            self._source = source
        now_s = self._last_arrival_s = self._clock()
        self._buffer.insert(sequence, timestamp, payload, count, now_s, quiet=opus.is_quiet(payload))
        if self._buffer.transit_s is not None:
            self._drift.observe(self._buffer.transit_s, now_s)
        self._hand_on(now_s)

    def _hand_on(self, now_s: float) -> None:
        stretches = iter(self._buffer.poll(now_s))
        for stretch in stretches:
            if self._sink is None:
                # The sink itself has closed us.
                return
            if stretch.kind == "sound":
                self._deliver(self._decoded(stretch), now_s)
            elif not stretch.following:
                self._deliver(self._made_up(stretch.count), now_s)
            elif opus.carries_fec(stretch.following):
                self._deliver(self._recovered(stretch), now_s)
            else:
                # The packet that follows is the next stretch, and says how the gap ends.
                for sound in self._repaired(stretch, next(stretches)):
                    self._deliver(sound, now_s)
        if self._timer is None and self._sink is not None:
            self._set_timer()

    def _set_timer(self) -> None:
        # One timer that looks again when it fires is far cheaper than one that is moved at every packet.
        wake_s = self._buffer.wake_s
        if wake_s is not None:
            delay_s = max(wake_s - self._clock(), 0.001)
            self._timer = self._loop.call_later(delay_s, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._hand_on(self._clock())

    def _deliver(self, sound: Samples, now_s: float) -> None:
        if self._sink is None:
            return
        self._bridge.remember(sound)
        if self.settings.correct_drift:
            sound = self._corrector.correct(sound, self._drift.due(now_s))
        pts = self._next_pts
        self._next_pts += sound.shape[1]
        try:
            self._sink(sound, pts)
        except Exception as error:
            # It must not reach aiortc, whose transport would close without a word.
            log.exception("what takes the received sound failed; this track is closed")
            self.failed = error
            self.close()

    def _decoded(self, stretch: Stretch) -> Samples:
        self._concealed_in_a_row = 0
        try:
            sound = self._decoder.decode(stretch.payload)[:, stretch.skip :]
        except opus.BadPacket:
            self._damaged += 1
            return self._made_up(stretch.count)
        if sound.shape[1] != stretch.count:
            # The table of contents promised another length: the timeline counts.
            return self._cut(sound, stretch.count)
        return sound

    def _recovered(self, stretch: Stretch) -> Samples:
        # Only the frame right before `following` can be in it.
        last = min(opus.packet_samples(stretch.following), stretch.count) // 120 * 120
        parts = [self._made_up(stretch.count - last)] if stretch.count > last else []
        try:
            parts.append(self._decoder.recover(stretch.following, last))
            self._recovered_count += last
        except opus.BadPacket:
            parts.append(self._made_up(last))
        return np.concatenate(parts, axis=1)

    def _repaired(self, lost: Stretch, following: Stretch) -> tuple[Samples, Samples]:
        if lost.count > LONGEST_BRIDGE or lost.count % 120:
            return self._made_up(lost.count), self._decoded(following)
        self._concealed_in_a_row = 0
        try:
            gap, after = self._repair.repair(lost.count, following.payload)
        except opus.BadPacket:
            self._damaged += 1
            return self._made_up(lost.count), self._made_up(following.count)
        return gap, self._cut(after, following.count) if after.shape[1] != following.count else after

    def _made_up(self, count: int) -> Samples:
        parts: list[Samples] = []
        done = 0
        while done < count:
            wanted = min(_PIECE, count - done)
            if self._concealed_in_a_row >= _LONGEST_CONCEALMENT:
                parts.append(np.zeros((self.settings.channels, count - done), np.float32))
                break
            # libopus conceals in steps of 2.5 ms.
            parts.append(self._decoder.conceal(-(-wanted // 120) * 120)[:, :wanted])
            self._concealed_in_a_row += wanted
            done += wanted
        return np.concatenate(parts, axis=1)

    def _cut(self, sound: Samples, count: int) -> Samples:
        cut = np.zeros((sound.shape[0], count), np.float32)
        kept = min(sound.shape[1], count)
        cut[:, :kept] = sound[:, :kept]
        return cut


async def drain(track: MediaStreamTrack, take: Callable[[object], None]) -> None:
    """Read a track as fast as it comes and hand each frame to `take`; returns when the track ends.

    aiortc queues without a bound what nobody reads (73 MB a minute of sound): start this as a task for every received
    track, also one whose frames nobody wants, and let `take` keep what it needs in a bounded ring. It also ends when
    the sender says goodbye, for an audio track that `AudioReceiver` took over as well.
    """
    try:
        while True:
            take(await track.recv())
    except MediaStreamError:
        return
