"""The segments of a session, one after another: what is fed or flushed waits until the one before has given out all.

`feed` and `finish` reach the present segment, or the queue before it; call `go_on` whenever pieces came out of it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from engine.frames import Samples
from engine.segment import Segment


@dataclass(slots=True)
class _Fed:
    """A chunk in the queue; with `restart_at` a new timeline begins with it, at that input pts."""

    samples: Samples
    now_s: float
    restart_at: int | None = None


@dataclass(slots=True)
class _End:
    """A flush in the queue."""

    now_s: float
    last: bool


class Succession:
    """See the module.

    Args:
        begin: makes the segment whose first sample has that index (input rate); True: input is missing before it.
        forget: called before a segment that does not continue what was heard.
    """

    def __init__(self, begin: Callable[[int, bool], Segment], forget: Callable[[], None]) -> None:
        self._begin, self._forget = begin, forget
        self._waiting: deque[_Fed | _End] = deque()
        self.present = begin(0, False)

    @property
    def finished(self) -> bool:
        """After a last `finish`: everything is out."""
        return self.present.last and self.present.done and not self._waiting

    def feed(self, samples: Samples, now_s: float, restart_at: int | None = None) -> None:
        """Samples `(channels, n)` that arrived at clock time `now_s`.

        Args:
            samples: any n.
            now_s: clock time.
            restart_at: they do not follow what came before; index of the first of them (input rate).
        """
        if not samples.shape[1]:
            return
        if self._waiting or self.present.limit is not None or restart_at is not None:
            self._waiting.append(_Fed(samples, now_s, restart_at))
            self.go_on()
        else:
            self.present.push(samples, now_s)

    def finish(self, now_s: float, last: bool) -> None:
        """Give out all that was fed until now; what is fed later begins a new segment. `last`: nothing will be."""
        self._waiting.append(_End(now_s, last))
        self.go_on()

    def go_on(self) -> None:
        """Take from the queue until a segment has first to give out what it holds."""
        while self._waiting:
            segment = self.present
            if segment.limit is not None:
                if segment.last or not segment.done:
                    return
                self.present = self._begin(segment.start + segment.received, False)
                continue
            item = self._waiting[0]
            if isinstance(item, _End):
                segment.finish(item.now_s, item.last)
            elif item.restart_at is not None and segment.received:
                segment.finish(item.now_s, last=False)
                continue
            else:
                if item.restart_at is not None:
                    self._forget()
                    self.present = self._begin(item.restart_at, segment.start > 0)
                self.present.push(item.samples, item.now_s)
            self._waiting.popleft()
