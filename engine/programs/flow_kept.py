"""A store with a ceiling in bytes, for what is asked for in rounds: every window asks for the same things in turn.

Forgetting the oldest would be the worst rule there: where a round is a little larger than the store, each thing is gone
before its turn comes again. Here what is in use stays, and what finds no room is made anew each time. Room is made

- by what has not been asked for since the newcomer was last asked for: its listener has gone, or been silent;
- by what is larger than the newcomer: for the room of one long prompt many short ones are kept.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

MOST_ASKED = 8192
"""Things that are not kept whose last time is remembered."""


@dataclass(slots=True, eq=False)
class _Entry(Generic[V]):
    value: V
    size_bytes: int
    asked: int


class Kept(Generic[K, V]):
    """See the module.

    Args:
        most_bytes: what is kept never takes more.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._entries: OrderedDict[K, _Entry[V]] = OrderedDict()
        self._asked: OrderedDict[K, int] = OrderedDict()
        self._now = 0
        self.bytes = 0
        """What is kept takes."""

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: K) -> V | None:
        """What was put there, or None: then it is made, and given to `put`."""
        self._now += 1
        if (entry := self._entries.get(key)) is None:
            return None
        entry.asked = self._now
        self._entries.move_to_end(key)
        return entry.value

    def put(self, key: K, value: V, size_bytes: int) -> None:
        """Keep it if there is room, or can be made."""
        if key in self._entries:
            return  # two who asked at the same time have both made it
        before = self._asked.pop(key, 0)
        gone = self._room_for(size_bytes, before)
        if gone is None:
            self._note(key, self._now)
            return
        for other in gone:
            entry = self._entries.pop(other)
            self.bytes -= entry.size_bytes
            self._note(other, entry.asked)
        self._entries[key] = _Entry(value, size_bytes, self._now)
        self.bytes += size_bytes

    def _room_for(self, size_bytes: int, before: int) -> list[K] | None:
        """What must go for so many bytes that were asked for at `before` (0: never); None where nothing helps."""
        missing = self.bytes + size_bytes - self._most_bytes
        if missing <= 0:
            return []
        if size_bytes > self._most_bytes:
            return None
        idle, larger = [], []
        for key, entry in self._entries.items():  # the one that was asked for longest ago comes first
            if entry.asked < before:
                idle.append(key)
            elif entry.size_bytes > size_bytes:
                larger.append(key)
        larger.sort(key=lambda key: -self._entries[key].size_bytes)
        gone = []
        for key in (*idle, *larger):
            gone.append(key)
            missing -= self._entries[key].size_bytes
            if missing <= 0:
                return gone
        return None

    def _note(self, key: K, asked: int) -> None:
        if len(self._asked) >= MOST_ASKED:
            self._asked.popitem(last=False)
        self._asked[key] = asked
