"""A run's batches by number: drawn, mixed, shared between workers, heard twice, made beside the training step."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator

from export.train.drawing import Drawing, DrawingAhead
from export.train.mixing import Batch, Mixer


class BatchMaker:
    """Makes batch number `k` from what is drawn for `k` alone, so a resumed run hears what the unbroken one would have
    heard."""

    def __init__(self, drawing: Drawing | DrawingAhead, mixer: Mixer) -> None:
        self._drawing, self._mixer = drawing, mixer

    def make(self, number: int) -> Batch:
        """Batch `number`."""
        return self._mixer.mix(self._drawing.draw(number))


class Share:
    """What one of `size` workers hears: batches `rank`, `rank + size`, …"""

    def __init__(self, maker: BatchMaker, rank: int = 0, size: int = 1) -> None:
        self._maker, self._rank, self._size = maker, rank, size

    def make(self, number: int) -> Batch:
        """The worker's batch `number`."""
        return self._maker.make(number * self._size + self._rank)


class Twice:
    """Every batch twice, the second time `LAG` batches later, when much else was learnt: mixing is a third of a step's
    work, and the second hearing of a mixture teaches nearly as much as a new one. Still a function of the number alone.
    """

    LAG = 16

    def __init__(self, maker: BatchMaker | Share) -> None:
        self._maker = maker
        self._kept: dict[int, Batch] = {}

    def make(self, number: int) -> Batch:
        """Batch `number / 2` of the maker where `number` is even; an older one where it is odd."""
        newest = number // 2
        wanted = newest if number % 2 == 0 else max(newest - self.LAG, 0)
        if wanted not in self._kept:
            self._kept[wanted] = self._maker.make(wanted)
        batch = self._kept[wanted]
        self._kept = {index: kept for index, kept in self._kept.items() if index >= newest - self.LAG}
        return batch


def prefetch(maker: BatchMaker | Share | Twice, first: int, depth: int = 3) -> Generator[Batch, None, None]:
    """Batches `first`, `first + 1`, … made by a thread beside the training step (torch lets go of the interpreter),
    until the generator is closed."""
    ready: queue.Queue[Batch | Exception] = queue.Queue(depth)
    stop = threading.Event()

    def fill() -> None:
        number = first
        while not stop.is_set():
            try:
                made: Batch | Exception = maker.make(number)
            except Exception as error:
                made = error  # handed over: the training loop raises it
            number += 1
            while not stop.is_set():
                try:
                    ready.put(made, timeout=0.5)
                    break
                except queue.Full:
                    continue

    thread = threading.Thread(target=fill, daemon=True, name="mixing")
    thread.start()
    try:
        while True:
            batch = ready.get()
            if isinstance(batch, Exception):
                raise batch
            yield batch
    finally:
        stop.set()
        thread.join()
