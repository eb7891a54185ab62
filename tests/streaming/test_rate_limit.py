"""A bucket for each client."""

from __future__ import annotations

from streaming.rate_limit import RateLimit
from tests.fakes import ManualClock


def test_a_burst_then_a_steady_rate() -> None:
    clock = ManualClock()
    limit = RateLimit(2.0, 3, clock)
    assert [limit.wait_s("a") for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]
    assert limit.wait_s("b") == 0.0
    clock.advance(0.5)
    assert limit.wait_s("a") == 0.0
    assert limit.wait_s("a") == 0.5
    clock.advance(100)
    assert [limit.wait_s("a") for _ in range(4)][:3] == [0.0, 0.0, 0.0]


def test_clients_that_were_not_seen_for_long_are_forgotten() -> None:
    limit = RateLimit(1.0, 1, ManualClock())
    for index in range(5000):
        limit.wait_s(str(index))
    assert len(limit._buckets) <= 4096
