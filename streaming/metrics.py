"""What `/metrics` shows (Prometheus text). The hot path appends to a list; the buckets are filled when somebody asks.

A registry of our own: nothing of the process's default one, and several servers in one process do not meet in it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from prometheus_client import CollectorRegistry, Counter, Gauge, Metric, generate_latest
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from streaming.stream import Stream

STAGES = ("queue", "model", "stitch", "send")
_EDGES_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.1, 0.4, 2.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
_DIGEST_OVER = 8192


class Buckets:
    """A histogram that is cheap to feed: `values` is a plain list that anyone may append to.

    Args:
        edges: upper edges of the buckets, rising.
    """

    def __init__(self, edges: Iterable[float]) -> None:
        self.edges = tuple(edges)
        self.values: list[float] = []
        self.total = 0.0
        self.counts = np.zeros(len(self.edges) + 1, np.int64)
        self._digesting = threading.Lock()

    def digest(self) -> None:
        """Move what was appended into the buckets; others may append meanwhile."""
        values = self.values
        with self._digesting:
            count = len(values)
            if not count:
                return
            taken = np.array(values[:count])
            # Cut in place, so that whoever holds the list goes on appending to the right one.
            del values[:count]
            self.counts += np.bincount(np.searchsorted(self.edges, taken), minlength=len(self.counts))
            self.total += float(taken.sum())

    def cumulative(self) -> list[tuple[str, float]]:
        """Prometheus's buckets: upper edge → how many lie at or under it."""
        sums = np.cumsum(self.counts)
        names = [*(f"{edge:g}" for edge in self.edges), "+Inf"]
        return [(name, float(total)) for name, total in zip(names, sums, strict=True)]


class Metrics(Collector):
    """Every number of one server.

    Args:
        sessions: asked for the number of sessions when somebody looks.
    """

    def __init__(self, sessions: Callable[[], int]) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        self._stages = {stage: Buckets(_EDGES_S) for stage in STAGES}
        self._steps = Buckets(_EDGES_S)
        self._sizes = Buckets(_SIZES)
        self._lag = Buckets(_EDGES_S)
        counter, gauge = self._counter, self._gauge
        self.hops = counter("winnow_hops", "Hops that came out of the engine, over all sessions")
        self.late_hops = counter("winnow_late_hops", "Hops that left more than one hop after they were due")
        self.dropped_hops = counter("winnow_dropped_hops", "Hops dropped because a client did not read")
        self.opened = counter("winnow_sessions_opened", "Sessions that started")
        self.resumed = counter("winnow_sessions_resumed", "Clients that came back after a broken connection")
        self.refused = Counter(
            "winnow_refused", "Connections refused or ended with an error, by code", ["reason"], registry=self.registry
        )
        gauge("winnow_sessions", "Sessions now").set_function(sessions)
        self.step_p95 = gauge("winnow_step_p95_seconds", "95th percentile of the recent model steps")
        self.draining = gauge("winnow_draining", "1 while the server is being stopped")
        self.registry.register(self)

    def _counter(self, name: str, text: str) -> Counter:
        return Counter(name, text, registry=self.registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(name, text, registry=self.registry)

    # --- fed by the inference thread, once a tick ---------------------------------------------------------------

    def tick(self, batch_size: int, took_s: float, streams: Iterable[Stream]) -> None:
        """One step: slots in it, its length in seconds, and the streams that may have measured something."""
        queue, model, stitch = (self._stages[name].values.append for name in STAGES[:3])
        hops = late_hops = 0
        for stream in streams:
            for row in stream.rows:
                queue(row[0])
                model(row[1])
                stitch(row[2])
            stream.rows.clear()
            if stream.session is not None:
                counters = stream.session.counters
                hops += counters.hops - stream.hops_shown
                late_hops += counters.late_hops - stream.late_hops_shown
                stream.hops_shown, stream.late_hops_shown = counters.hops, counters.late_hops
        if hops:
            self.hops.inc(hops)
        if late_hops:
            self.late_hops.inc(late_hops)
        self._sizes.values.append(batch_size)
        self._steps.values.append(took_s)
        if len(self._steps.values) > _DIGEST_OVER or len(self._stages["queue"].values) > _DIGEST_OVER:
            for buckets in (self._steps, self._sizes, *(self._stages[name] for name in STAGES[:3])):
                buckets.digest()

    # --- fed by the event loop ----------------------------------------------------------------------------------

    def sent(self, seconds: float) -> None:
        """A delivery left `seconds` after its tick ended."""
        values = self._stages["send"].values
        values.append(seconds)
        if len(values) > _DIGEST_OVER:
            self._stages["send"].digest()

    def lag(self, seconds: float) -> None:
        """The event loop woke `seconds` later than it should."""
        self._lag.values.append(seconds)
        if len(self._lag.values) > _DIGEST_OVER:
            self._lag.digest()

    # --- asked by Prometheus ------------------------------------------------------------------------------------

    def collect(self) -> Iterator[Metric]:
        """The histograms."""
        hops = HistogramMetricFamily("winnow_hop_seconds", "What a hop spends in each stage", labels=["stage"])
        for stage, buckets in self._stages.items():
            hops.add_metric([stage], buckets.cumulative(), buckets.total)
        yield hops
        for name, text, buckets in (
            ("winnow_step_seconds", "Length of a step of the batcher", self._steps),
            ("winnow_batch_slots", "Slots in a step", self._sizes),
            ("winnow_event_loop_lag_seconds", "How much later than asked the event loop wakes", self._lag),
        ):
            yield HistogramMetricFamily(name, text, buckets.cumulative(), buckets.total)

    def render(self) -> bytes:
        """The page."""
        for buckets in (*self._stages.values(), self._steps, self._sizes, self._lag):
            buckets.digest()
        return generate_latest(self.registry)
