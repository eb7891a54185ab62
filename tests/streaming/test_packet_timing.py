"""Hold and grace follow what the network has shown, within their bounds, and forget it again."""

from __future__ import annotations

import math

import pytest

from streaming.packet_timing import JitterSettings, PacketTiming, RecentPeak

RATE = 48_000
FRAME = 960


def test_a_recent_peak_is_forgotten_after_at_most_twice_its_memory() -> None:
    peak = RecentPeak(5.0)
    assert peak.value == -math.inf
    peak.add(3.0, 0.0)
    peak.add(1.0, 4.0)
    assert peak.value == 3.0
    peak.add(1.0, 6.0)
    assert peak.value == 3.0
    peak.add(0.5, 12.0)
    assert peak.value == 1.0


def test_a_peak_stays_while_nothing_comes() -> None:
    peak = RecentPeak(5.0)
    peak.add(3.0, 0.0)
    peak.add(1.0, 600.0)
    assert peak.value == 3.0


def test_what_is_expected_is_what_the_quickest_packet_did() -> None:
    timing = PacketTiming(JitterSettings(), RATE)
    assert timing.expected_s(0) == math.inf
    for index in range(100):
        timing.arrived(index * FRAME, 10.0 + 0.02 * index + (0.015 if index % 3 else 0.005))
    assert timing.expected_s(200 * FRAME) == pytest.approx(10.0 + 4.0 + 0.005)
    # One and a half times the lateness of 10 ms and a bit, but never less than the setting.
    assert timing.grace_s == JitterSettings().shortest_grace_s
    timing.arrived(100 * FRAME, 12.0 + 0.105)
    assert timing.grace_s == pytest.approx(1.5 * 0.1 + 0.02)
    timing.arrived(101 * FRAME, 14.0)
    assert timing.grace_s == JitterSettings().longest_grace_s


def test_hold_is_zero_until_packets_overtake_each_other() -> None:
    timing = PacketTiming(JitterSettings(), RATE)
    assert timing.hold_s == 0.0
    timing.overtaken.add(0.0, 0.0)
    assert timing.hold_s == 0.0
    timing.overtaken.add(0.008, 1.0)
    assert timing.hold_s == pytest.approx(0.012)
    timing.overtaken.add(0.5, 2.0)
    assert timing.hold_s == JitterSettings().longest_hold_s
