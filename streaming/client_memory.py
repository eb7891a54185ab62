"""What the SDK has sent in the last seconds, as bytes: to be sent again after a broken connection."""

from __future__ import annotations

from collections import deque


class Memory:
    """The newest sound that was given to `send`, encoded; without gaps.

    Args:
        limit: samples that are kept.
        frame_bytes: bytes of one sample of all channels.
    """

    def __init__(self, limit: int, frame_bytes: int) -> None:
        self._limit, self._frame_bytes = limit, frame_bytes
        self._chunks: deque[tuple[int, bytes]] = deque()
        self.end = 0
        """pts after the newest sample."""

    @property
    def begin(self) -> int:
        """pts of the oldest sample that is kept."""
        return self._chunks[0][0] if self._chunks else self.end

    def add(self, payload: bytes) -> int:
        """Whole samples that follow the last ones; the pts of the first."""
        first = self.end
        self._chunks.append((first, payload))
        self.end += len(payload) // self._frame_bytes
        while len(self._chunks) > 1 and self._chunks[1][0] <= self.end - self._limit:
            self._chunks.popleft()
        return first

    def since(self, pts: int) -> list[tuple[int, bytes]]:
        """What is kept from sample `pts` on: chunks and the pts of their first samples, in order."""
        found: list[tuple[int, bytes]] = []
        # From the newest, since that is mostly the only one.
        for first, payload in reversed(self._chunks):
            if first + len(payload) // self._frame_bytes <= pts:
                break
            cut = max(pts - first, 0)
            found.append((first + cut, payload[cut * self._frame_bytes :]))
        return found[::-1]
