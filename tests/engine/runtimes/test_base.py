"""`engine.runtimes.base`: the buckets cover every batch size with little padding."""

from __future__ import annotations

from engine.runtimes.base import BUCKETS, bucket_for


def test_every_count_fits_and_small_ones_waste_little() -> None:
    for count in range(1, 600):
        size = bucket_for(count)
        assert size >= count
        assert size <= max(1.25 * count, count + 1) or count > BUCKETS[-1]
        assert size in BUCKETS or size % BUCKETS[-1] == 0
