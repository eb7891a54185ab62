"""In which order received packets go on, and when a missing one is given up. Sans-I/O: no socket, codec or clock in it.

A packet that is next in order goes on at once: nothing downstream plays out by a clock of its own, so holding sound
back would only add delay (the listener's own buffer smooths, as behind any forwarding server). Waiting happens only
where something is missing:

* a *later* packet is here: wait `hold` from the moment the gap showed. It follows the reordering that this network has
  shown, so it is 0 where packets never overtake each other;
* *nothing* comes: wait until the packet is `grace` later than the quickest packets were, then let time pass by
  concealment, so that nobody downstream waits for good. Grace follows the lateness that was seen. A sender that fell
  silent by its own choice (DTX) is not waited for.

The timeline is the sender's: pts 0 is the first sample received, and the pts of a sample never changes with what was
lost. What was given up and comes after all is late: it is dropped, and hold and grace grow.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from streaming.packet_timing import JitterSettings, PacketTiming

_SEQUENCES = 1 << 16
_TIMESTAMPS = 1 << 32
_REMEMBERED = 1024
"""Sequence numbers whose fate is remembered, to tell duplicates from late packets."""
_NEVER = -(1 << 62)
_LARGEST_JUMP = 3000
"""Sequence numbers: a larger step is a restarted sender (RFC 3550, appendix A.1, MAX_DROPOUT)."""


@dataclass(slots=True)
class Stretch:
    """What goes on next: `count` samples from `pts`.

    Attributes:
        kind: `sound`: decode `payload`; `lost`: conceal; `pause`: the sender left it out.
        payload: the packet, for `sound`.
        skip: samples at the packet's beginning that were concealed already; `count` is without them.
        following: for `lost`: the packet that comes right after, where it is here already.
    """

    pts: int
    count: int
    kind: Literal["sound", "lost", "pause"]
    payload: bytes = b""
    skip: int = 0
    following: bytes = b""


@dataclass(slots=True)
class JitterCounts:
    """What happened since the start, in packets; `concealed` and `paused` in samples."""

    received: int = 0
    lost: int = 0
    late: int = 0
    duplicate: int = 0
    refused: int = 0
    reordered: int = 0
    restarts: int = 0
    concealed: int = 0
    paused: int = 0


@dataclass(slots=True)
class _Waiting:
    sequence: int
    timestamp: int
    count: int
    payload: bytes
    quiet: bool
    arrived_s: float


class JitterBuffer:
    """One RTP stream; see the module. Times are seconds of any one clock that never runs backwards.

    Args:
        rate: RTP clock, Hz.
    """

    def __init__(self, settings: JitterSettings | None = None, rate: int = 48_000) -> None:
        self.settings = settings or JitterSettings()
        self.rate = rate
        self.counts = JitterCounts()
        self._started_s: float | None = None
        self._next_pts = 0
        self._wake_s: float | None = None
        self._begin_stream()

    def _begin_stream(self) -> None:
        self._timing = PacketTiming(self.settings, self.rate)
        self._waiting: dict[int, _Waiting] = {}
        self._fate: list[int] = [_NEVER] * _REMEMBERED
        self._given_up_s: dict[int, float] = {}
        self._newest = self._newest_timestamp = 0
        self._anchored = False
        self._next_sequence = self._next_timestamp = 0
        self._pts_offset = 0
        self._suspect: int | None = None
        self._count = self.rate // 50
        self._quiet = False
        self._last_arrival_s = self._resumed_s = -math.inf

    def restart(self) -> None:
        """Another sender goes on where this one was (a new SSRC): pts goes on, all else is forgotten."""
        if self._anchored:
            self.counts.restarts += 1
            self._begin_stream()

    @property
    def next_pts(self) -> int:
        """Where the next stretch will begin."""
        return self._next_pts

    @property
    def waiting(self) -> int:
        """Packets that are held back."""
        return len(self._waiting)

    @property
    def wake_s(self) -> float | None:
        """When `poll` has something to do although nothing comes; None: before the first packet."""
        return None if self._wake_s == math.inf else self._wake_s

    @property
    def transit_s(self) -> float | None:
        """Time of arrival of the newest packet minus its time stamp: only its change means something."""
        return self._timing.transit_s

    @property
    def jitter_s(self) -> float:
        """Interarrival jitter as RFC 3550 defines it."""
        return self._timing.jitter_s

    @property
    def hold_s(self) -> float:
        """How long a gap waits now."""
        return self._timing.hold_s

    def pts_of(self, timestamp: int) -> int:
        """The pts of an RTP timestamp, nearest to the newest packet's."""
        return self._unwrapped(self._newest % _SEQUENCES, timestamp)[1] + self._pts_offset

    def arrival_s(self, pts: int) -> float | None:
        """When the packet that begins at this pts came or will come, if it is as quick as the quickest."""
        expected_s = self._timing.expected_s(pts - self._pts_offset)
        return expected_s if math.isfinite(expected_s) else None

    def insert(self, sequence: int, timestamp: int, payload: bytes, count: int, now_s: float, *, quiet: bool) -> None:
        """Take one packet in.

        Args:
            sequence: RTP sequence number, 16 bit.
            timestamp: RTP timestamp, 32 bit.
            payload: what will be decoded.
            count: samples that it lasts.
            now_s: when it came.
            quiet: the sender says nothing with it and may pause (DTX).
        """
        self.counts.received += 1
        self._last_arrival_s = now_s
        if self._started_s is None:
            self._started_s = now_s
        if not self._anchored:
            self._anchor(sequence, timestamp)
        number, moment = self._unwrapped(sequence, timestamp)
        if self._is_restart(number, moment, sequence):
            return
        if not self._anchored:
            self._anchor(sequence, timestamp)
            number, moment = sequence, timestamp
        if self._is_known(number):
            return
        if self._is_early(moment + count, now_s):
            self._leave_out(number, moment, count)
            return
        self._timing.arrived(moment, now_s)
        self._note_order(number, moment, now_s)
        if number < self._next_sequence or moment + count <= self._next_timestamp:
            self.counts.late += 1
            self._next_sequence += number == self._next_sequence
            return
        self._waiting[number] = _Waiting(number, moment, count, payload, quiet, now_s)

    def _anchor(self, sequence: int, timestamp: int) -> None:
        self._anchored = True
        self._next_sequence = self._newest = sequence
        self._next_timestamp = self._newest_timestamp = timestamp
        self._pts_offset = self._next_pts - timestamp

    def _unwrapped(self, sequence: int, timestamp: int) -> tuple[int, int]:
        """The numbers without their wrap-around: nearest to the newest seen."""
        half, whole = _SEQUENCES // 2, _SEQUENCES
        number = self._newest + (sequence - self._newest + half) % whole - half
        half, whole = _TIMESTAMPS // 2, _TIMESTAMPS
        moment = self._newest_timestamp + (timestamp - self._newest_timestamp + half) % whole - half
        return number, moment

    def _is_restart(self, number: int, moment: int, sequence: int) -> bool:
        """A step too large to be loss: two in a row that fit each other restart the stream, one alone is dropped."""
        # By the clock, a sender that was silent, or a server that was stopped, may be further on than what was heard.
        clock = (self._last_arrival_s - self._timing.expected_s(0)) * self.rate
        jump = self.settings.longest_jump_s * self.rate
        far = moment < self._next_timestamp - jump or moment > max(self._next_timestamp, clock) + jump
        if not far and abs(number - self._newest) <= _LARGEST_JUMP:
            self._suspect = None
            return False
        if self._suspect != sequence:
            self._suspect = (sequence + 1) % _SEQUENCES
            self.counts.refused += 1
            return True
        arrived_s = self._last_arrival_s
        self.restart()
        self._last_arrival_s = arrived_s
        return False

    def _is_known(self, number: int) -> bool:
        slot = number % _REMEMBERED
        if self._fate[slot] == number:
            self.counts.duplicate += 1
            return True
        self._fate[slot] = number
        return False

    def _is_early(self, end: int, now_s: float) -> bool:
        """More sound than time has passed: it is refused, or one peer would use the engine of many."""
        assert self._started_s is not None
        most = (now_s - self._started_s) * 1.001 + self.settings.most_ahead_s
        if end + self._pts_offset > most * self.rate:
            self.counts.refused += 1
            return True
        return False

    def _leave_out(self, number: int, moment: int, count: int) -> None:
        """A packet was too early: what comes after it goes on where the last that was let in ended.

        A sender may have queued more than is let in while it was connecting. Were its timestamps held against it ever
        after, it would always be too early.
        """
        if number >= self._next_sequence:
            self._waiting.clear()
            self._newest, self._newest_timestamp = number, moment
            self._next_sequence, self._next_timestamp = number + 1, moment + count
            self._pts_offset = self._next_pts - self._next_timestamp

    def _note_order(self, number: int, moment: int, now_s: float) -> None:
        if number > self._newest:
            self._timing.overtaken.add(0.0, now_s)
            self._newest, self._newest_timestamp = number, moment
            return
        if number == self._newest:
            return
        self.counts.reordered += 1
        since_s = self._given_up_s.pop(number, None)
        if since_s is None:
            overtakers = [other.arrived_s for other in self._waiting.values() if other.sequence > number]
            since_s = min(overtakers, default=now_s)
        self._timing.overtaken.add(now_s - since_s, now_s)

    def poll(self, now_s: float) -> list[Stretch]:
        """All that can go on now, in order and without a hole."""
        if not self._anchored:
            return []
        if self._wake_s is not None and now_s - self._wake_s > 0.02:
            # We were not given the processor: what came in the meantime still waits to be read.
            self._resumed_s = now_s
        ready: list[Stretch] = []
        while self._waiting:
            first = self._waiting.get(self._next_sequence) or self._after_gap(now_s)
            if first is None:
                break
            self._take(first, ready)
        if not self._waiting:
            self._let_time_pass(now_s, ready)
        return ready

    def _after_gap(self, now_s: float) -> _Waiting | None:
        """The oldest waiting packet, if what is missing before it is given up; else `wake_s` is set."""
        oldest = self._waiting[min(self._waiting)]
        since_s = min(packet.arrived_s for packet in self._waiting.values())
        deadline_s = since_s + self._timing.hold_s
        if now_s < deadline_s and oldest.timestamp > self._next_timestamp:
            self._wake_s = deadline_s
            return None
        for number in range(self._next_sequence, oldest.sequence):
            self._give_up(number, since_s)
        return oldest

    def _give_up(self, number: int, since_s: float) -> None:
        self.counts.lost += 1
        self._given_up_s[number] = since_s
        while len(self._given_up_s) > _REMEMBERED:
            del self._given_up_s[next(iter(self._given_up_s))]

    def _take(self, packet: _Waiting, ready: list[Stretch]) -> None:
        """Put a packet, and before it what is missing, on the timeline."""
        del self._waiting[packet.sequence]
        missing = packet.sequence - self._next_sequence
        self._next_sequence = packet.sequence + 1
        hole = packet.timestamp - self._next_timestamp
        if hole > 0:
            self._fill(hole, "lost" if missing else "pause", ready, packet.payload if missing else b"")
        skip = max(-hole, 0)
        if skip >= packet.count:
            self.counts.late += 1
            return
        self._count, self._quiet = packet.count, packet.quiet
        ready.append(Stretch(self._next_pts, packet.count - skip, "sound", packet.payload, skip))
        self._move(packet.count - skip)

    def _let_time_pass(self, now_s: float, ready: list[Stretch]) -> None:
        """Nothing is here: conceal what should have come long ago, and say when the next look is due."""
        while True:
            expected_s = self._timing.expected_s(self._next_timestamp)
            if self._quiet:
                due_s = expected_s + max(self._timing.hold_s, 0.02)
            else:
                due_s = max(expected_s + self._timing.grace_s, self._last_arrival_s + self.settings.silent_after_s)
            due_s = max(due_s, self._resumed_s + self.settings.silent_after_s)
            self._wake_s = due_s
            if now_s < due_s:
                return
            self._fill(self._count, "pause" if self._quiet else "lost", ready, b"")

    def _fill(self, count: int, kind: Literal["lost", "pause"], ready: list[Stretch], following: bytes) -> None:
        ready.append(Stretch(self._next_pts, count, kind, following=following))
        if kind == "lost":
            self.counts.concealed += count
        else:
            self.counts.paused += count
        self._move(count)

    def _move(self, count: int) -> None:
        self._next_pts += count
        self._next_timestamp += count
