"""Arrival latency by the contract's definition, on times that the test sets."""

from __future__ import annotations

import pytest

from streaming.arrival import Captures, percentiles_ms


def test_arrival_latency_is_counted_from_the_capture_of_the_first_sample() -> None:
    captures = Captures(48000)
    captures.sent(0, 480, 10.00)
    captures.sent(480, 960, 10.01)
    captures.sent(960, 1440, 10.02)
    assert captures.captured_s(0) == pytest.approx(9.99)  # time sent − chunk length
    assert captures.captured_s(720) == pytest.approx(10.005)
    assert captures.captured_s(1440) is None
    assert captures.completed_s(960) == 10.01  # the chunk that brought sample 959
    assert captures.completed_s(961) == 10.02


def test_percentiles_of_nothing_are_zero() -> None:
    assert percentiles_ms([]) == {"p50": 0.0, "p95": 0.0, "p99": 0.0}
    assert percentiles_ms([0.02])["p99"] == 20.0
