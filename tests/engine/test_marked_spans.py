"""`engine.marked_spans`: runs of marked frames, none too short and none too unlikely."""

from __future__ import annotations

import numpy as np

from engine.activity import ActivityRecord, Sounding
from engine.bundle import Bundle
from engine.marked_spans import MarkedRecord, marked_soundings, record_for
from engine.runtimes.graphs import Graphs
from tests.engine.flow import bundle_in


def test_every_run_above_the_threshold() -> None:
    probability = np.array([0.31, 0.3, 0.9, 0.5, 0.1, 1.0], np.float32)
    power = np.array([1e-2, 1, 1e-4, 1e-4, 1, 1e-6], np.float32)
    assert marked_soundings(probability, power, 0.04) == [
        Sounding(0.0, 0.04, -20.0, 0.31), Sounding(0.08, 0.16, -40.0, 0.7), Sounding(0.2, 0.24, -60.0, 1.0),
    ]  # fmt: skip
    assert marked_soundings(probability[:0], power[:0], 0.04) == []
    assert marked_soundings(np.zeros(5, np.float32), np.ones(5, np.float32), 0.04) == []


def test_nothing_beyond_the_end() -> None:
    record = MarkedRecord()
    for probability in ([0.5, 0.5], [0.5, 0.0, 0.5]):
        record.add("a", np.array(probability, np.float32), np.ones(len(probability), np.float32), 0.04)
    assert [(one.start_s, one.end_s) for one in record.spans(0.1)["a"]] == [(0.0, 0.1)]
    assert [(one.start_s, one.end_s) for one in record.spans()["a"]] == [(0.0, 0.12), (0.16, 0.2)]


def test_who_marks_and_who_does_not(identity: Bundle, flow_graphs: Graphs) -> None:
    assert isinstance(record_for(bundle_in(flow_graphs)), MarkedRecord)
    assert type(record_for(identity)) is ActivityRecord
