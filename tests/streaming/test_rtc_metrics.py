"""What `/metrics` shows of peers, those that are gone included."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest

from streaming.rtc_audio_in import ReceiveStats
from streaming.rtc_metrics import PeerMetrics

STATS = dict.fromkeys(ReceiveStats.__dataclass_fields__, 0) | {
    "received": 100, "lost": 3, "concealed_ms": 60.0, "jitter_ms": 4.0, "idle_s": None,
}  # fmt: skip


def publisher() -> Any:
    """One that has received something."""
    receiver = SimpleNamespace(stats=lambda: SimpleNamespace(**STATS))
    return SimpleNamespace(receiver=receiver, picture=SimpleNamespace(frames=30, dropped=2))


def test_live_and_gone_peers_are_summed() -> None:
    registry = CollectorRegistry()
    peers: Any = SimpleNamespace(publishers={"a": publisher()}, viewers={"v": 1, "w": 2})
    metrics = PeerMetrics(registry, peers)
    metrics.keep(publisher())
    page = generate_latest(registry).decode()
    assert "winnow_webrtc_sessions 1.0" in page
    assert "winnow_webrtc_viewers 2.0" in page
    assert 'winnow_webrtc_packets_total{fate="lost"} 6.0' in page
    assert "winnow_webrtc_concealed_seconds_total 0.12" in page
    assert "winnow_webrtc_jitter_seconds 0.004" in page
    assert 'winnow_webrtc_frames_total{fate="dropped"} 4.0' in page


def test_a_peer_that_is_still_opening_counts_nothing() -> None:
    registry = CollectorRegistry()
    opening: Any = SimpleNamespace(receiver=None, picture=None)
    metrics = PeerMetrics(registry, SimpleNamespace(publishers={"a": opening}, viewers={}))  # type: ignore[arg-type]
    metrics.keep(opening)
    assert 'winnow_webrtc_packets_total{fate="received"} 0.0' in generate_latest(registry).decode()
