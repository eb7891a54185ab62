"""How often somebody may ask: a bucket for each client that fills at a steady rate."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

_MOST_CLIENTS = 4096


class RateLimit:
    """Buckets by client; the clients that were seen last are remembered.

    Args:
        per_s: requests a second in the long run.
        burst: requests at once after a pause.
        clock: monotonic seconds.
    """

    def __init__(self, per_s: float, burst: int, clock: Callable[[], float]) -> None:
        self._per_s, self._burst, self._clock = per_s, float(burst), clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, client: str) -> float:
        """Count one request: 0.0 where it is allowed, else how long to wait (and it was not counted)."""
        now_s = self._clock()
        left, seen_s = self._buckets.pop(client, (self._burst, now_s))
        left = min(left + (now_s - seen_s) * self._per_s, self._burst)
        allowed = left >= 1.0
        self._buckets[client] = (left - allowed, now_s)
        if len(self._buckets) > _MOST_CLIENTS:
            self._buckets.popitem(last=False)
        return 0.0 if allowed else (1.0 - left) / self._per_s
