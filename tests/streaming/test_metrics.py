"""Metrics: cheap to feed, right when asked."""

from __future__ import annotations

from streaming.metrics import Buckets, Metrics


def test_values_land_in_their_buckets() -> None:
    buckets = Buckets((1.0, 2.0, 4.0))
    buckets.values += [0.5, 1.0, 3.0, 9.0]
    buckets.digest()
    buckets.values.append(1.5)
    buckets.digest()
    assert buckets.cumulative() == [("1", 2.0), ("2", 3.0), ("4", 4.0), ("+Inf", 5.0)]
    assert buckets.total == 15.0
    assert buckets.values == []


def test_the_page_carries_every_family() -> None:
    metrics = Metrics(lambda: 3)
    metrics.tick(4, 0.001, [])
    metrics.sent(0.0002)
    metrics.lag(0.003)
    metrics.refused.labels("no_capacity").inc()
    page = metrics.render().decode()
    assert "winnow_sessions 3.0" in page
    assert 'winnow_hop_seconds_bucket{le="0.00025",stage="send"} 1.0' in page
    assert "winnow_batch_slots_sum 4.0" in page
    assert "winnow_step_seconds_count 1.0" in page
    assert "winnow_event_loop_lag_seconds_count 1.0" in page
    assert 'winnow_refused_total{reason="no_capacity"} 1.0' in page


def test_memory_stays_bounded_when_nobody_asks() -> None:
    metrics = Metrics(lambda: 0)
    for _ in range(20000):
        metrics.sent(0.001)
        metrics.tick(1, 0.001, [])
    assert all(len(buckets.values) <= 8193 for buckets in (*metrics._stages.values(), metrics._steps, metrics._sizes))
