"""What a program needs of a runtime: a bank of recurrent states by slot, and one call."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Snapshot = tuple[Floats, ...]
"""The states of one slot, in the order of the spec."""

BUCKETS = (1, 2, 3, 4, 6, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128)
"""Batch sizes that graphs are warmed for; a call is padded up to the next one, so that no new size appears live."""


def bucket_for(count: int) -> int:
    """Smallest bucket that holds `count` slots; above the largest, the next multiple of it."""
    for size in BUCKETS:
        if count <= size:
            return size
    return -(-count // BUCKETS[-1]) * BUCKETS[-1]


class Runtime(Protocol):
    """One model on one device.

    Slot numbers are the caller's (the mask program has one for each channel of its slots); the bank grows to hold them.
    """

    provider: str
    """What really runs (`CPUExecutionProvider`)."""
    note: str | None
    """What a person must be told about that choice, or None."""

    def separate(self, slots: NDArray[np.intp], spectrum: Floats, query: Floats, hint: Floats) -> tuple[Floats, Floats]:
        """Run `slots` (n,) one call further and keep their new states.

        Args:
            slots: distinct slot numbers, `(n,)`.
            spectrum: `(n, hops, bins, 2)` real and imaginary parts.
            query: `(n, query_size)`.
            hint: `(n, 2)`.

        Returns:
            Mask and activity probability `(n, hops)`. A real mask is `(n, hops, bins)`, a complex one has its real
            and imaginary parts in a last axis of 2.

        Raises:
            Exception: of the inference library's own kind: the call failed, no state was changed. The program makes an
                `EngineFault` of it.
        """

    def reset(self, slots: list[int]) -> None:
        """Set the states of `slots` to zero, growing the bank where needed."""

    def snapshot(self, slot: int) -> Snapshot:
        """Copy of the states of a slot."""

    def restore(self, slot: int, snapshot: Snapshot) -> None:
        """Put a slot's states back."""

    def warm(self, batches: tuple[int, ...], hops: tuple[int, ...]) -> None:
        """Run every combination once, so that no live call pays for a first one."""
