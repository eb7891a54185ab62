"""Several named graphs of one bundle on one device, without a state: what a program of many graphs drives.

What is fed again and again (a prompt's keys and values) may be held on the device: see `hold`, `keep` and `joined`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from numpy.typing import NDArray

Array = NDArray[Any]
Held = Any
"""An array, or the runtime's own handle of one on its device; only `Graphs` looks inside."""


class Graphs(Protocol):
    """See the module."""

    provider: str
    """What really runs (`CPUExecutionProvider`)."""
    note: str | None
    """What a person must be told about that choice, or None."""

    def has(self, graph: str) -> bool:
        """Whether the bundle holds a graph."""

    def runs(self, graph: str) -> bool:
        """Whether a graph that is made for one kind of device (a plan) is there and can be opened on this one."""

    def run(self, graph: str, feeds: Mapping[str, Held]) -> dict[str, Array]:
        """One call: outputs by name, as arrays.

        Raises:
            EngineFault: the call failed.
            BundleError: the graph cannot be opened (it is opened by its first call, or by `require`).
        """

    def keep(self, graph: str, feeds: Mapping[str, Held]) -> dict[str, Held]:
        """As `run`, with the outputs left on the device.

        Raises:
            EngineFault, BundleError: as `run`.
        """

    def hold(self, array: Array) -> Held:
        """An array moved to the device once, to be fed many times."""

    def joined(self, parts: Sequence[Held], axis: int | None = None, length: int = 0) -> Held:
        """Held arrays `(n, …)` under each other, on the device; along `axis` each goes on with zeros up to `length`.

        Raises:
            EngineFault: the device refuses, as for want of memory.
        """

    def size_bytes(self, held: Held) -> int:
        """What a held array takes."""

    def width(self, graph: str, name: str) -> int:
        """Size of the last axis of an input.

        Raises:
            BundleError: no such input, or its last axis is free.
        """

    def require(self, graph: str, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        """Open a graph now, and see that it has these inputs and outputs.

        Raises:
            BundleError: it is missing, cannot be opened or lacks one; names it.
        """
