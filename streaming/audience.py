"""Who listens to a session's tracks beside its own client: viewers of any kind, by track.

The runner tells what happens (`begin`, `learn`, `hear`, `close`); listeners `join`. With nobody listening a delivery
costs one comparison.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from engine.frames import Samples
from streaming.media import Encoding
from streaming.protocol import HEADER_BYTES, SessionRequest
from streaming.stream import Hop


class Ear(Protocol):
    """One listener on one track; both methods return at once."""

    def hear(self, hop: Hop) -> None:
        """The next hop of the track, in order."""

    def end(self) -> None:
        """Nothing follows: the track or the session is over."""


@dataclass(frozen=True, slots=True)
class HopFormat:
    """How the hops of a session are packed.

    Attributes:
        encoding, channels: of the PCM.
        rate: Hz.
        header_bytes: what stands before it.
    """

    encoding: Encoding
    channels: int
    rate: int
    header_bytes: int

    def payload(self, hop: Hop) -> memoryview:
        """Interleaved PCM of a hop."""
        return memoryview(hop.message)[self.header_bytes :]

    def samples(self, hop: Hop) -> Samples:
        """`(channels, n)` float32; it may share the message's memory, and be read-only."""
        if self.encoding == "pcm_f32le":
            return np.frombuffer(self.payload(hop), "<f4").reshape(-1, self.channels).T
        rows = np.frombuffer(self.payload(hop), "<i2").reshape(-1, self.channels).T
        samples: Samples = np.multiply(rows, np.float32(1.0 / 32768.0), dtype=np.float32)
        return samples


class Audience:
    """See the module; one a session, on the event loop."""

    def __init__(self) -> None:
        self.format: HopFormat | None = None
        self.tracks: dict[int, dict[str, Any]] = {}
        """By index, as `started` and `updated` name them; empty until the session has started."""
        self.started: dict[str, Any] | None = None
        """The session's `started` message."""
        self.closed = False
        self._ears: dict[int, list[Ear]] = {}

    # --- the runner's side ------------------------------------------------------------------------------------

    def begin(self, request: SessionRequest) -> None:
        """The session was admitted."""
        header = 0 if request.mode == "raw" else HEADER_BYTES
        self.format = HopFormat(request.audio.encoding, request.audio.channels, request.output_rate, header)

    def learn(self, message: dict[str, Any]) -> None:
        """A `started` or `updated`: which tracks there are from now on."""
        if message["type"] == "started":
            self.started = message
        before, self.tracks = self.tracks, {track["index"]: track for track in message["tracks"]}
        for index in before:
            if index not in self.tracks:
                self._end(index)

    def hear(self, hops: Sequence[Hop]) -> None:
        """Hops that are on their way to the client."""
        if not self._ears:
            return
        for hop in hops:
            for ear in self._ears.get(hop.track, ()):
                ear.hear(hop)

    def close(self) -> None:
        """The session is over; harmless when repeated."""
        self.closed = True
        for index in list(self._ears):
            self._end(index)

    def _end(self, index: int) -> None:
        for ear in self._ears.pop(index, ()):
            ear.end()

    # --- the listeners' side ----------------------------------------------------------------------------------

    def join(self, index: int, ear: Ear) -> None:
        """Have `ear` told what the track `index` says from now on; at once its end, where the session is over."""
        if self.closed or index not in self.tracks:
            ear.end()
            return
        # A new list: the ears may be being told at this moment.
        self._ears[index] = [*self._ears.get(index, ()), ear]

    def leave(self, index: int, ear: Ear) -> None:
        """It listens no more; harmless when repeated."""
        left = [other for other in self._ears.get(index, ()) if other is not ear]
        if left:
            self._ears[index] = left
        else:
            self._ears.pop(index, None)

    def ears(self, index: int) -> tuple[Ear, ...]:
        """Who listens to a track."""
        return tuple(self._ears.get(index, ()))
