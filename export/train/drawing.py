"""Draw the examples of batches by number: here, or in processes of their own, some batches ahead.

On a GPU mixing takes less time than drawing does in Python, and training's own thread wants the interpreter too.
"""

from __future__ import annotations

import multiprocessing
from concurrent.futures import Future, ProcessPoolExecutor
from types import TracebackType

import numpy as np

from export.train.examples import Example, ExampleMaker
from export.train.interruption import mortal, unheard

AHEAD = 8
"""Batches drawn ahead of the one asked for."""


class Drawing:
    """Examples of batch `number`, a function of `(seed, number)` alone."""

    def __init__(self, examples: ExampleMaker, size: int, seed: int) -> None:
        self._examples, self._size, self._seed = examples, size, seed

    def draw(self, number: int) -> list[Example]:
        """Those of batch `number`."""
        rng = np.random.default_rng([self._seed, number])
        return [self._examples.draw(rng) for _ in range(self._size)]


class DrawingAhead:
    """The same examples, drawn in other processes; use as a context manager.

    Args:
        drawing: what to draw.
        processes: how many others; with 0, nothing is drawn ahead.
    """

    def __init__(self, drawing: Drawing, processes: int) -> None:
        self._drawing = drawing
        self._coming: dict[int, Future[list[Example]]] = {}
        self._pool = ProcessPoolExecutor(
            processes, multiprocessing.get_context("spawn"), initializer=_remember, initargs=(drawing,)
        ) if processes else None  # fmt: skip
        if self._pool is not None:
            with unheard():
                for _ in range(processes):
                    self._pool.submit(int)  # nothing, but it starts a process

    def draw(self, number: int) -> list[Example]:
        """Those of batch `number`; the next ones are begun."""
        if self._pool is None:
            return self._drawing.draw(number)
        if self._coming and number < min(self._coming):  # an old one, heard again after a resume
            return self._drawing.draw(number)
        wanted = range(number, number + AHEAD + 1)
        for passed in self._coming.keys() - set(wanted):
            self._coming.pop(passed).cancel()
        for one in wanted:
            if one not in self._coming:
                self._coming[one] = self._pool.submit(_draw, one)
        return self._coming[number].result()

    def __enter__(self) -> DrawingAhead:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)


_remembered: Drawing | None = None


def _remember(drawing: Drawing) -> None:
    global _remembered  # a process of the pool draws for one run alone
    _remembered = drawing
    mortal()  # one that the pool starts later hears Ctrl-C otherwise


def _draw(number: int) -> list[Example]:
    assert _remembered is not None
    return _remembered.draw(number)
