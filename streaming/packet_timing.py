"""How late packets come, and what follows from it for waiting: hold, grace, jitter. Sans-I/O.

A packet's *transit* is its time of arrival minus its time stamp; the sender's clock being another, only differences
mean something. The quickest packet of the last seconds is the measure: what is slower was late by the difference.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class JitterSettings:
    """Bounds of the waiting.

    Attributes:
        longest_hold_s: most that a gap waits for an overtaken packet.
        shortest_grace_s: how late the next packet may always be before time passes without it.
        longest_grace_s: the same, at most.
        silent_after_s: nothing is given up by the clock before this has passed since the last packet came.
        memory_s: how long one late packet keeps hold and grace up (up to twice as long).
        most_ahead_s: sound that may come faster than real time.
        longest_jump_s: a larger step of the timestamps is a restarted sender.
    """

    longest_hold_s: float = 0.06
    shortest_grace_s: float = 0.08
    longest_grace_s: float = 0.4
    silent_after_s: float = 0.04
    memory_s: float = 5.0
    most_ahead_s: float = 1.0
    longest_jump_s: float = 2.0


class RecentPeak:
    """The largest of the values of the last `memory_s` to twice as long: two buckets, constant cost.

    Without new values the peak stays: what was known before a pause is the best guess after it.
    """

    __slots__ = ("_before", "_memory_s", "_now", "_turned_s")

    def __init__(self, memory_s: float) -> None:
        self._memory_s = memory_s
        self._before = self._now = -math.inf
        self._turned_s = -math.inf

    def add(self, value: float, now_s: float) -> None:
        """Take one value in."""
        if now_s - self._turned_s > self._memory_s:
            self._before, self._now = self._now, -math.inf
            self._turned_s = now_s
        self._now = max(self._now, value)

    @property
    def value(self) -> float:
        """The peak, -inf where there was nothing."""
        return max(self._before, self._now)


@dataclass(slots=True)
class PacketTiming:
    """How late packets come: all relative to the quickest of the last seconds.

    Args:
        settings: bounds of what is derived.
        rate: of the time stamps, Hz.
    """

    settings: JitterSettings
    rate: int
    quickest: RecentPeak = field(init=False)
    lateness: RecentPeak = field(init=False)
    overtaken: RecentPeak = field(init=False)
    jitter_s: float = 0.0
    transit_s: float | None = None

    def __post_init__(self) -> None:
        self.quickest, self.lateness, self.overtaken = (RecentPeak(self.settings.memory_s) for _ in range(3))

    def arrived(self, timestamp: int, now_s: float) -> None:
        transit_s = now_s - timestamp / self.rate
        if self.transit_s is not None:
            # RFC 3550, section 6.4.1
            self.jitter_s += (abs(transit_s - self.transit_s) - self.jitter_s) / 16
        self.transit_s = transit_s
        self.quickest.add(-transit_s, now_s)
        self.lateness.add(transit_s + self.quickest.value, now_s)

    def expected_s(self, timestamp: int) -> float:
        """When a packet would be here that is as quick as the quickest."""
        return timestamp / self.rate - self.quickest.value

    @property
    def hold_s(self) -> float:
        peak_s = self.overtaken.value
        return 0.0 if peak_s <= 0 else min(1.25 * peak_s + 0.002, self.settings.longest_hold_s)

    @property
    def grace_s(self) -> float:
        wanted_s = 1.5 * self.lateness.value + 0.02
        return min(max(wanted_s, self.settings.shortest_grace_s), self.settings.longest_grace_s)
