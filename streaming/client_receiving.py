"""The SDK's way in: binary messages to hops, and what was received of each track, for coming back after a break."""

from __future__ import annotations

import time
from typing import Any

from streaming.arrival import Captures
from streaming.client_hops import Hop, Totals
from streaming.media import Encoding, PcmDecoder
from streaming.protocol import FLAG_DISCONTINUITY, FLAG_LAST, HEADER_BYTES, unpack_header


class Receiver:
    """Tracks and positions of the present session.

    Args:
        encoding, channels: of the sound.
        captures: when what was captured.
        totals: counts hops, keeps their delays.
    """

    def __init__(self, encoding: Encoding, channels: int, captures: Captures, totals: Totals) -> None:
        self.received: dict[int, int] = {}
        """Track → pts after the last sample received or named as missing, as the session counts."""
        self._captures, self._totals = captures, totals
        self._decoder = PcmDecoder(encoding, channels)
        self._base = self._window = 0
        self._tracks: dict[int, str] = {}
        self._finished: set[int] = set()
        self._torn: set[int] = set()

    @property
    def answered(self) -> int:
        """Everything before this position (in samples sent) has been received on all tracks that were heard."""
        running = [pts for track, pts in self.received.items() if track not in self._finished]
        return self._base + min(running, default=max(self.received.values(), default=0))

    def begin(self, started: dict[str, Any], base: int, torn: bool) -> None:
        """A session has started.

        Args:
            started: the server's message.
            base: where it counts from, in samples sent.
            torn: it takes over from another one: its first hops say so.
        """
        self._base, self._window = base, int(started.get("latency", {}).get("samples", 0))
        self._tracks.clear()
        self.received.clear()
        self._finished.clear()
        self.learn(started)
        self._torn = set(self._tracks) if torn else set()

    def learn(self, message: dict[str, Any]) -> None:
        """The tracks that a message names."""
        for track in message.get("tracks", ()):
            self._tracks[int(track["index"])] = str(track["name"])

    def miss(self, gap: dict[str, Any]) -> None:
        """A `gap`: this will not come."""
        track = int(gap["track"])
        self.received[track] = int(gap["to"])
        self._torn.add(track)

    def receive(self, message: bytes, flushed: bool) -> Hop | None:
        """The hop of a binary message, or None where it says nothing new.

        Args:
            message: with its header.
            flushed: the end was said: what comes now waited for no window.

        Raises:
            BadMessage: it is cut short, or of another version.
        """
        header = unpack_header(message)
        now_s = time.perf_counter()
        samples = self._decoder.decode(memoryview(message)[HEADER_BYTES:])
        track, count, last = header.track, samples.shape[1], bool(header.flags & FLAG_LAST)
        if last and not count and track in self._finished:
            return None  # it came before the connection broke, and again after
        if last:
            self._finished.add(track)
        self.received[track] = header.pts + count
        torn = track in self._torn or bool(header.flags & FLAG_DISCONTINUITY)
        self._torn.discard(track)
        pts = header.pts + self._base
        latency_s, gather_s = self._delays(pts, count, now_s, flushed)
        self._totals.hops += 1
        name = self._tracks.get(track, str(track))
        return Hop(name, pts, samples, torn, last, now_s, latency_s, gather_s)

    def _delays(self, pts: int, count: int, now_s: float, flushed: bool) -> tuple[float | None, float | None]:
        captured_s = self._captures.captured_s(pts) if count else None
        if captured_s is None:
            return None, None
        latency_s = now_s - captured_s
        completed_s = self._captures.completed_s(pts + self._window) if self._window else None
        gather_s = None if completed_s is None else completed_s - captured_s
        if gather_s is not None and not flushed:
            self._totals.arrival_s.append(latency_s)
            self._totals.gather_s.append(gather_s)
        return latency_s, gather_s
