"""What waits for one client to read: bounded in milliseconds, order kept. No socket in it, no clock.

Framed mode drops whole oldest hops (the same moment of every track) and names what is missing; raw mode cannot name
anything, so it never drops: whoever owns the outbox stops reading from the client instead.
"""

from __future__ import annotations

import json
import struct
from collections import deque
from typing import Any

from streaming.protocol import SEQUENCE_OFFSET
from streaming.stream import Hop

MOST_TEXTS = 64


class Outbox:
    """See the module.

    Args:
        rate: Hz of the output.
        limit_s: how much sound may wait; None: any amount (the owner sees to it).
    """

    def __init__(self, rate: int, limit_s: float | None) -> None:
        self._rate = rate
        self._limit = None if limit_s is None else int(limit_s * rate)
        self._items: deque[Hop | str] = deque()
        self._waiting: dict[int, int] = {}
        self._gaps: dict[int, tuple[int, int]] = {}
        self._dropped: dict[int, int] = {}
        self.texts = 0
        self.dropped_hops = 0
        """Hops dropped since the start; one counts once, on however many tracks."""

    def __len__(self) -> int:
        return len(self._items)

    @property
    def seconds(self) -> float:
        """Sound that waits, on the track that has most."""
        return max(self._waiting.values(), default=0) / self._rate

    @property
    def crowded(self) -> bool:
        """Whether so many texts wait that the client should not cause more."""
        return self.texts >= MOST_TEXTS

    def add_text(self, message: dict[str, Any]) -> None:
        """A text message, behind what waits."""
        self._items.append(json.dumps(message, separators=(",", ":")))
        self.texts += 1

    def add_hop(self, hop: Hop) -> None:
        """A hop, behind what waits; the oldest go where there are too many."""
        self._items.append(hop)
        waiting = self._waiting.get(hop.track, 0) + hop.end - hop.begin
        self._waiting[hop.track] = waiting
        while self._limit is not None and self._waiting[hop.track] > self._limit:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        oldest = next(item for item in self._items if isinstance(item, Hop))
        kept: deque[Hop | str] = deque()
        for item in self._items:
            if isinstance(item, Hop) and item.begin == oldest.begin:
                self._waiting[item.track] -= item.end - item.begin
                first = self._gaps.get(item.track, (item.begin, 0))[0]
                self._gaps[item.track] = (first, item.end)
                self._dropped[item.track] = self._dropped.get(item.track, 0) + 1
            else:
                kept.append(item)
        self._items = kept
        self.dropped_hops += 1

    def next(self) -> str | bytes | None:
        """The next message to send, or None. A gap is told right before the hop that follows it."""
        if not self._items:
            return None
        item = self._items[0]
        if isinstance(item, str):
            self._items.popleft()
            self.texts -= 1
            return item
        gap = self._gaps.pop(item.track, None)
        if gap is not None:
            return json.dumps({"type": "gap", "track": item.track, "from": gap[0], "to": gap[1]})
        self._items.popleft()
        self._waiting[item.track] -= item.end - item.begin
        return self.numbered(item)

    def numbered(self, hop: Hop) -> bytes:
        """A hop's message, its sequence number counting only what was sent."""
        if not self._dropped or not (dropped := self._dropped.get(hop.track)):
            return hop.message
        message = bytearray(hop.message)
        struct.pack_into("<I", message, SEQUENCE_OFFSET, (hop.sequence - dropped) % (1 << 32))
        return bytes(message)

    def rest(self) -> list[str]:
        """At the end: the gaps that no hop will follow."""
        told = [json.dumps({"type": "gap", "track": track, "from": first, "to": end})
                for track, (first, end) in self._gaps.items()]  # fmt: skip
        self._gaps.clear()
        return told

    def clear(self) -> None:
        """Forget everything that waits."""
        self._items.clear()
        self._waiting.clear()
        self._gaps.clear()
        self.texts = 0
