"""What `/metrics` shows of WebRTC: peers, packets by fate, concealed sound, jitter, frames."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from streaming.peers import Peers
    from streaming.rtc_publisher import Publisher

_FATES = ("received", "lost", "late", "duplicates", "reordered", "refused", "damaged")


class PeerMetrics(Collector):
    """Reads the peers when somebody asks; those that are gone are kept as sums.

    Args:
        registry: where it is shown.
        peers: whose.
    """

    def __init__(self, registry: CollectorRegistry, peers: Peers) -> None:
        self._peers = peers
        self._gone: Counter[str] = Counter()
        registry.register(self)

    def keep(self, publisher: Publisher) -> None:
        """A publisher is gone."""
        self._gone.update(_sums(publisher))

    def collect(self) -> Iterator[Metric]:
        """The page's WebRTC part."""
        publishers = list(self._peers.publishers.values())
        yield GaugeMetricFamily("winnow_webrtc_sessions", "Peers that publish now", len(publishers))
        yield GaugeMetricFamily("winnow_webrtc_viewers", "Peers that listen now", len(self._peers.viewers))
        sums = self._gone.copy()
        for publisher in publishers:
            sums.update(_sums(publisher))
        packets = CounterMetricFamily("winnow_webrtc_packets", "Sound packets from peers, by fate", labels=["fate"])
        for fate in _FATES:
            packets.add_metric([fate], sums[fate])
        yield packets
        concealed_s = sums["concealed_ms"] / 1000.0
        yield CounterMetricFamily("winnow_webrtc_concealed_seconds", "Sound that was lost and made up", concealed_s)
        frames = CounterMetricFamily("winnow_webrtc_frames", "Pictures from peers, by fate", labels=["fate"])
        for fate in ("received", "dropped"):
            frames.add_metric([fate], sums[f"frames_{fate}"])
        yield frames
        jitters = [publisher.receiver.stats().jitter_ms for publisher in publishers if publisher.receiver is not None]
        jitter_s = max(jitters, default=0.0) / 1000.0
        yield GaugeMetricFamily("winnow_webrtc_jitter_seconds", "Largest interarrival jitter of a peer", jitter_s)


def _sums(publisher: Publisher) -> dict[str, float]:
    found: dict[str, float] = {}
    if publisher.receiver is not None:
        stats = publisher.receiver.stats()
        found = {fate: float(getattr(stats, fate)) for fate in _FATES}
        found["concealed_ms"] = stats.concealed_ms
    if publisher.picture is not None:
        found["frames_received"] = float(publisher.picture.frames)
        found["frames_dropped"] = float(publisher.picture.dropped)
    return found
