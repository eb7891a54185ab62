"""`engine.meter`: percentiles of what was recorded, and no more rows than it may keep."""

from __future__ import annotations

import numpy as np
import pytest

from engine.meter import STAGES, Meter


def test_percentiles_of_the_last_rows_by_stage() -> None:
    meter = Meter(capacity=100)
    for value in range(200):
        meter.record(value, 0.0, 2.0 * value, 0.0)
    found = meter.percentiles()
    assert tuple(found) == STAGES
    assert found["latency"] == pytest.approx(tuple(np.percentile(np.arange(100, 200), (50, 95, 99))))
    assert found["model"][0] == pytest.approx(299.0)
    assert found["queue"] == (0.0, 0.0, 0.0)
    meter.reset()
    assert meter.percentiles()["latency"] == (0.0, 0.0, 0.0)


def test_one_row_is_its_own_percentile() -> None:
    meter = Meter()
    meter.record(0.25, 0.5, 1.0, 2.0)
    assert meter.percentiles()["stitch"] == (2.0, 2.0, 2.0)
