"""The messages made from the engine's records carry the contract's members."""

from __future__ import annotations

import numpy as np

from engine.bundle import Bundle
from engine.config import Counters, SessionConfig
from engine.prompt import Target
from engine.session import Session
from streaming.announcements import ended, spread_ms, started, stats, updated
from streaming.protocol import parse_query


def test_started_and_updated_show_only_the_tracks_that_go_out(identity: Bundle) -> None:
    request = parse_query("prompt=speech&sample_rate=16000&output_sample_rate=8000")
    assert request is not None
    session = Session(identity, SessionConfig(16000, 1, (Target("a", "speech"),), residual=True, output_rate=8000))
    message = started("identity", request, session, {1})
    assert [track["name"] for track in message["tracks"]] == ["residual"]
    assert (message["audio"]["sample_rate"], message["audio"]["input_sample_rate"]) == (8000, 16000)
    assert message["latency"]["algorithmic_ms"] == session.latency.algorithmic_ms
    assert message["targets"][0]["understood"][0].keys() == {"label", "score", "status"}
    assert [track["name"] for track in updated(7, session, {0, 1})["tracks"]] == ["a/target", "residual"]
    session.close()


def test_what_was_understood_is_told_with_what_to_expect_of_it(identity: Bundle) -> None:
    own = identity.with_concepts({"bagpipes": np.ones(identity.spec.query_size)})
    session = Session(own, SessionConfig(48000, 1, (Target("a", "no bagpipes and no spech"),)))
    (told,) = updated(0, session, {0})["targets"]
    assert told["everything_but"]
    assert told["understood"] == [
        {"label": "bagpipes", "score": 1.0, "status": "experimental"},
        {"label": "speech", "score": 0.8, "status": "advertised"},
    ]
    session.close()


def test_stats_before_any_hop_are_zero(identity: Bundle) -> None:
    session = Session(identity, SessionConfig(48000, 1, (Target("a", "speech"),)))
    message = stats(session)
    assert message["latency_ms"] == {"p50": 0.0, "p95": 0.0, "p99": 0.0}
    assert message["compute_ms"] == {"p50": 0.0, "p99": 0.0}
    session.close()


def test_ended_counts_seconds_of_input() -> None:
    message = ended(Counters(hops=7, late_hops=2), 24000, 8000, 48000)
    assert (message["audio_seconds"], message["late_hops"], message["samples_sent"]) == (0.5, 2, 8000)


def test_percentiles_of_a_list() -> None:
    assert spread_ms([]) == {"p50": 0.0, "p95": 0.0, "p99": 0.0}
    assert spread_ms([index / 1000 for index in range(100, 0, -1)]) == {"p50": 51.0, "p95": 96.0, "p99": 100.0}
