"""What the engine needs of a program: slots, and a step that may be interrupted between two graph calls."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Protocol, TypeVar

from engine.frames import Result, Vector, Work
from engine.prompt import Pictures
from engine.spec import ModelSpec

T = TypeVar("T")

Calls = Generator[list[Result], None, T]
"""Part of a step: yields an empty list after each graph call, and returns what the calls were made for."""


class Program(Protocol):
    """Drives the graphs of one bundle, for the slots of all streams."""

    spec: ModelSpec
    most_slots: int
    """Slots that may be open at once."""
    most_hops: int
    """Hops of one work that it takes well."""

    def open_slot(self) -> int:
        """A fresh slot that listens for nothing yet.

        Raises:
            NoCapacity: all slots are open.
        """

    def close_slot(self, slot: int) -> None:
        """Give a slot back."""

    def reset(self, slot: int) -> None:
        """Forget the stream so far; what it listens for stays."""

    def condition(
        self, slot: int, query: Vector | str, pictures: Pictures | None = None, predicts: bool = False, seed: int = 0
    ) -> None:
        """Set what the slot listens for: what the bundle's `Vocabulary.condition` gave, a visual prompt where the
        vocabulary says that it `sees`, whether to find out first where it sounds (`Target.predict_spans`), and which
        noise to begin with (`Target.seed`), for programs that begin with any."""

    def step(self, works: list[Work]) -> Iterator[list[Result]]:
        """Run works; gives the caller its turn after every graph call, with the results that are ready by then.

        The works' windows are read before the first turn.

        Raises:
            EngineFault: a call failed; the states of its works are as before it.
        """
