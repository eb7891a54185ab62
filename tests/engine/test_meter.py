"""`engine.meter`: percentiles of what was recorded, and no more rows than it may keep."""

from __future__ import annotations

import pytest

from engine.meter import Meter


def test_percentiles_by_stage() -> None:
    meter = Meter(capacity=100)
    for value in range(200):
        meter.record(value, 0.0, 2.0 * value, 0.0)
    p50, _, p99 = meter.percentiles("latency")
    assert p50 == pytest.approx(149.5)
    assert p99 == pytest.approx(198.01, abs=0.1)
    assert meter.percentiles("model")[0] == pytest.approx(299.0)
    assert meter.hops == 200
    meter.reset()
    assert meter.percentiles("latency") == (0.0, 0.0, 0.0)
    with pytest.raises(ValueError, match="not in"):
        meter.percentiles("nonsense")


def test_real_time_factor() -> None:
    meter = Meter()
    assert meter.rtf == 0.0
    meter.add_compute(0.5, 10.0)
    assert meter.rtf == pytest.approx(0.05)
