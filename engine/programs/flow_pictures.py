"""A visual prompt as features by latent frame of the session: each picture goes through the vision graph once, and is
forgotten when no window reaches back to it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.errors import EngineFault
from engine.programs.base import Calls
from engine.prompt import Pictures
from engine.runtimes.graphs import Graphs

Floats = NDArray[np.float32]

VISION = "vision"
"""A graph that a bundle may have: `pictures [N, 3, side, side]` of -1 to 1 → `features [N, width]`."""

MOST_PICTURES = 16
"""In one call."""


class Seen:
    """The features of one visual prompt, for all slots of a session that go by it.

    Args:
        pictures: read from its first frame on.
        graphs: with `VISION`.
        width: features of a picture.
    """

    def __init__(self, pictures: Pictures, graphs: Graphs, width: int) -> None:
        self._pictures, self._graphs, self._width = pictures, graphs, width
        self._side = graphs.width(VISION, "pictures")
        self._first = 0
        self._features: Floats = np.zeros((0, width), np.float32)

    def shows(self, pictures: Pictures) -> bool:
        """Whether it reads this film."""
        return self._pictures is pictures

    def window(self, first: int, end: int) -> Calls[Floats]:
        """Features `(width, frames)` of the frames `[first, end)`.

        Raises:
            EngineFault: the graph failed, or the frames were forgotten.
        """
        if first < self._first:
            raise EngineFault(f"the pictures before frame {self._first} were forgotten, asked for {first}")
        while (have := self._first + len(self._features)) < first:
            # It was silent there and nobody asked: the film has gone on all the same.
            count = min(MOST_PICTURES, first - have)
            self._pictures.next(count, self._side)
            self._features, self._first = self._features[:0], have + count
            yield []
        while (have := self._first + len(self._features)) < end:
            pictures = self._pictures.next(min(MOST_PICTURES, end - have), self._side)
            scaled = np.moveaxis(pictures, 3, 1).astype(np.float32) / np.float32(127.5) - np.float32(1.0)
            made = self._graphs.run(VISION, {"pictures": np.ascontiguousarray(scaled)})["features"]
            if made.shape != (len(pictures), self._width):
                raise EngineFault(f"the graph {VISION} gave {made.shape} for {len(pictures)} pictures")
            self._features = np.concatenate([self._features, made])
            yield []
        return np.ascontiguousarray(self._features[first - self._first : end - self._first].T)

    def forget(self, before: int) -> None:
        """No window will ask for frames before this one."""
        gone = min(max(before - self._first, 0), len(self._features))
        self._features = self._features[gone:]
        self._first += gone
