"""What the SDK gives: hops of the output tracks, and the totals of a session."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from engine.frames import Samples

_REMEMBERED_HOPS = 60_000


@dataclass(frozen=True, slots=True)
class Hop:
    """A stretch of one output track.

    Attributes:
        track: name (`speech/target`, `residual`).
        pts: index of its first sample, counted in samples sent.
        samples: `(channels, n)` float32.
        discontinuity: sound is missing before it.
        last: nothing follows on this track.
        received_s: `time.perf_counter` at receipt.
        latency_s: arrival latency: receipt minus capture of the first sample; None where that was not sent here.
        gather_s: the share of it before the hop could be made: until the chunk was sent that completed its window.
    """

    track: str
    pts: int
    samples: Samples
    discontinuity: bool
    last: bool
    received_s: float
    latency_s: float | None
    gather_s: float | None


@dataclass(slots=True)
class Totals:
    """What happened so far. `arrival_s` and `gather_s` keep the newest hops.

    Attributes:
        sent_samples: given to `send`.
        lost_samples: of those, the ones that no session has heard.
        clipped_samples: over full scale on the wire.
        hops: received.
        reconnects: connections made anew, of which
        resumes: went on with the same session.
    """

    sent_samples: int = 0
    lost_samples: int = 0
    clipped_samples: int = 0
    hops: int = 0
    reconnects: int = 0
    resumes: int = 0
    arrival_s: deque[float] = field(default_factory=lambda: deque(maxlen=_REMEMBERED_HOPS))
    gather_s: deque[float] = field(default_factory=lambda: deque(maxlen=_REMEMBERED_HOPS))
