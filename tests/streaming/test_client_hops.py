"""Totals keep the newest delays only."""

from __future__ import annotations

from streaming.client_hops import Totals


def test_delays_are_bounded() -> None:
    totals = Totals()
    totals.arrival_s.extend(0.01 for _ in range(100_000))
    assert len(totals.arrival_s) == 60_000
    assert (totals.lost_samples, totals.reconnects, totals.resumes) == (0, 0, 0)
