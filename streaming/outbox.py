"""What waits for one client to read: bounded in milliseconds, order kept. No socket in it, no clock.

Framed mode drops whole oldest hops (the same moment of every track) and names what is missing; raw mode cannot name
anything, so it never drops: whoever owns the outbox stops reading from the client instead.
"""

from __future__ import annotations

import json
import struct
from collections import deque
from collections.abc import Iterable
from typing import Any

from streaming.protocol import FLAG_DISCONTINUITY, FLAG_LAST, FLAGS_OFFSET, SEQUENCE_OFFSET
from streaming.stream import Hop

MOST_TEXTS = 64


class Outbox:
    """See the module; one a connection, since its sequence numbers begin with it.

    Args:
        rate: Hz of the output.
        limit_s: how much sound may wait; None: any amount (the owner sees to it).
        dropped_hops: of the session, before this connection.
    """

    def __init__(self, rate: int, limit_s: float | None, dropped_hops: int = 0) -> None:
        self._rate = rate
        self._limit = None if limit_s is None else int(limit_s * rate)
        self._items: deque[Hop | str] = deque()
        self._owed = 0
        self._waiting: dict[int, int] = {}
        self._gaps: dict[int, tuple[int, int]] = {}
        self._flags: dict[int, int] = {}
        self._numbers: dict[int, int] = {}
        self.texts = 0
        self.dropped_hops = dropped_hops
        """Hops dropped since the session began; one counts once, on however many tracks."""

    def __len__(self) -> int:
        return len(self._items)

    @property
    def seconds(self) -> float:
        """Sound that waits, on the track that has most; what is sent again does not count."""
        return max(self._waiting.values(), default=0) / self._rate

    @property
    def crowded(self) -> bool:
        """Whether so many texts wait that the client should not cause more."""
        return self.texts >= MOST_TEXTS

    def add_text(self, message: dict[str, Any]) -> None:
        """A text message, behind what waits."""
        self._items.append(json.dumps(message, separators=(",", ":")))
        self.texts += 1

    def add_owed(self, hops: Iterable[Hop]) -> None:
        """Hops of the past that the client is to have again; they are never dropped. Nothing else may wait yet."""
        for hop in hops:
            self._items.append(hop)
            self._owed += 1

    def add_hop(self, hop: Hop) -> None:
        """A hop, behind what waits; the oldest go where there are too many."""
        self._items.append(hop)
        waiting = self._waiting.get(hop.track, 0) + hop.end - hop.begin
        self._waiting[hop.track] = waiting
        while self._limit is not None and self._waiting[hop.track] > self._limit:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        owed, oldest = self._owed, None
        kept: deque[Hop | str] = deque()
        for item in self._items:
            if not isinstance(item, Hop) or owed:
                owed -= isinstance(item, Hop)
                kept.append(item)
            elif item.begin == item.end:
                kept.append(item)
            elif oldest is None or item.begin == oldest:
                oldest = item.begin
                kept.extend(self._drop(item))
            else:
                kept.append(item)
        self._items = kept
        self.dropped_hops += 1

    def _drop(self, hop: Hop) -> Iterable[Hop]:
        """Forget a hop, but for what its flags say: that belongs to what follows it, or stays as an empty hop."""
        track = hop.track
        self._waiting[track] -= hop.end - hop.begin
        first = self._gaps.get(track, (hop.begin, 0))[0]
        self._gaps[track] = (first, hop.end)
        flags = hop.message[FLAGS_OFFSET]
        if flags & FLAG_DISCONTINUITY:
            self._flags[track] = FLAG_DISCONTINUITY
        if flags & FLAG_LAST:
            yield hop.emptied()

    def next(self) -> str | bytes | None:
        """The next message to send, or None. A gap is told right before the hop that follows it."""
        if not self._items:
            return None
        item = self._items[0]
        if isinstance(item, str):
            self._items.popleft()
            self.texts -= 1
            return item
        if self._owed:
            self._owed -= 1
            self._items.popleft()
            return self.numbered(item)
        gap = self._gaps.pop(item.track, None)
        if gap is not None:
            return json.dumps({"type": "gap", "track": item.track, "from": gap[0], "to": gap[1]})
        self._items.popleft()
        self._waiting[item.track] -= item.end - item.begin
        return self.numbered(item)

    def numbered(self, hop: Hop) -> bytes:
        """A hop's message; its sequence number counts what this connection was sent."""
        track = hop.track
        number = self._numbers.get(track, 0)
        self._numbers[track] = number + 1
        if number == hop.sequence and not self._flags:
            return hop.message
        message = bytearray(hop.message)
        message[FLAGS_OFFSET] |= self._flags.pop(track, 0)
        struct.pack_into("<I", message, SEQUENCE_OFFSET, number % (1 << 32))
        return bytes(message)

    def rest(self) -> list[str]:
        """At the end: the gaps that no hop will follow."""
        told = [json.dumps({"type": "gap", "track": track, "from": first, "to": end})
                for track, (first, end) in self._gaps.items()]  # fmt: skip
        self._gaps.clear()
        return told

    def take_texts(self) -> list[dict[str, Any]]:
        """The texts that wait, in order; everything is forgotten."""
        found = [json.loads(item) for item in self._items if isinstance(item, str)]
        self.clear()
        return found

    def clear(self) -> None:
        """Forget everything that waits."""
        self._items.clear()
        self._waiting.clear()
        self._gaps.clear()
        self._flags.clear()
        self.texts = self._owed = 0
