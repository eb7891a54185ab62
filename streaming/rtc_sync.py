"""When a picture is due: together with the sound that was made at the same time.

The sender's reports (RTCP SR, RFC 3550, section 6.4.1) put the timestamps of both streams on one clock. Before they
have come, what arrives together belongs together. All times are seconds of sound (the session's pts), so that the
answer is the moment at which the sound of a picture leaves.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from statistics import median

from streaming.packet_timing import RecentPeak

SOUND_HZ, PICTURE_HZ = 48_000, 90_000
_HALF, _WHOLE = 1 << 31, 1 << 32
_MEMORY_S = 1.0
_PACKETS = 25
"""Half a second, over which the sound's delay is taken: the middle one, for a stall is no delay."""
_REPORTS = 5
_FURTHEST_S = 2.0
"""Reports that move a picture by more than this against its arrival are not believed."""
LONGEST_HOLD_S = 0.5


class SenderClock:
    """One stream's RTP timestamps on the sender's wall clock, by the middle one of its last reports.

    A sender that stamps its reports as it gets to them is wrong by whatever held it up; one such report must not move
    the picture for a second.

    Args:
        hz: of the timestamps.
    """

    def __init__(self, hz: int) -> None:
        self._hz = hz
        self._timestamp = 0
        self._walls_s: deque[float] = deque(maxlen=_REPORTS)
        """For each report, the wall clock at `_timestamp`."""

    @property
    def known(self) -> bool:
        """Whether a report has come."""
        return bool(self._walls_s)

    def report(self, ntp: int, timestamp: int) -> None:
        """A sender report: 64-bit NTP time and the RTP timestamp of the same moment."""
        if not ntp:
            return
        passed_s = self._seconds(timestamp)
        self._walls_s = deque((wall_s + passed_s for wall_s in self._walls_s), maxlen=_REPORTS)
        self._timestamp = timestamp
        self._walls_s.append(ntp / (1 << 32))

    def _seconds(self, timestamp: int) -> float:
        return float((timestamp - self._timestamp + _HALF) % _WHOLE - _HALF) / self._hz

    def wall_s(self, timestamp: int) -> float:
        """Wall-clock seconds of a timestamp; a report must have come."""
        return median(self._walls_s) + self._seconds(timestamp)

    def timestamp(self, wall_s: float) -> int:
        """The timestamp of a moment; a report must have come."""
        return (self._timestamp + round((wall_s - median(self._walls_s)) * self._hz)) % _WHOLE


class Step:
    """See the module. `due_s` is in seconds of the clock that the other methods are told.

    Args:
        pts_of: pts of the sound with an RTP timestamp (nearest to what came last).
        packet: samples in one packet of the sound that leaves.
        lookahead: samples by which its encoder lags behind.
    """

    def __init__(self, pts_of: Callable[[int], int], packet: int, lookahead: int) -> None:
        self._packet, self._lookahead = packet, lookahead
        self.sound, self.picture = SenderClock(SOUND_HZ), SenderClock(PICTURE_HZ)
        self._pts_of = pts_of
        self._sound_in, self._picture_in = RecentPeak(_MEMORY_S), RecentPeak(_MEMORY_S)
        self._sound_out: deque[float] = deque(maxlen=_PACKETS)
        self._first_picture: int | None = None
        self._newest_picture = 0

    def sound_came(self, end: int, now_s: float) -> None:
        """Sound up to pts `end` came in."""
        self._sound_in.add(end / SOUND_HZ - now_s, now_s)

    def sound_left(self, begin: int, end: int, now_s: float) -> None:
        """Sound of pts `[begin, end)` was handed to the encoder."""
        last = end // self._packet
        if last > begin // self._packet:
            # A packet is complete, and leaves. What is heard at its time stamp lies a little further back.
            self._sound_out.append(((last - 1) * self._packet - self._lookahead) / SOUND_HZ - now_s)

    def picture_came(self, timestamp: int, now_s: float) -> float:
        """A picture came in.

        Returns:
            when it is to leave: `now_s` where nothing is known of the sound, and at most `LONGEST_HOLD_S` later.
        """
        picture_s = self._unwrapped(timestamp) / PICTURE_HZ
        self._picture_in.add(picture_s - now_s, now_s)
        if not self._sound_out:
            return now_s
        sound_s = picture_s - self._picture_in.value + self._sound_in.value
        if self.sound.known and self.picture.known:
            reported_s = self._pts_of(self.sound.timestamp(self.picture.wall_s(timestamp))) / SOUND_HZ
            if abs(reported_s - sound_s) < _FURTHEST_S:
                sound_s = reported_s
        return min(max(sound_s - median(self._sound_out), now_s), now_s + LONGEST_HOLD_S)

    def _unwrapped(self, timestamp: int) -> int:
        if self._first_picture is None:
            self._first_picture = self._newest_picture = timestamp
        self._newest_picture += (timestamp - self._newest_picture + _HALF) % _WHOLE - _HALF
        return self._newest_picture - self._first_picture
