"""The runtime that keeps everything: mask one, always active. Transparent by design; used to test and to measure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.runtimes.base import Floats, Snapshot


class IdentityRuntime:
    """No weights, no state (see `base.Runtime`)."""

    provider = "identity"
    note: str | None = None

    def separate(self, slots: NDArray[np.intp], spectrum: Floats, query: Floats, hint: Floats) -> tuple[Floats, Floats]:
        """Mask of ones; shapes as in `base.Runtime.separate`."""
        return np.ones(spectrum.shape[:3], np.float32), np.ones(spectrum.shape[:2], np.float32)

    def reset(self, slots: list[int]) -> None:
        """Nothing to forget."""

    def snapshot(self, slot: int) -> Snapshot:
        """Nothing to keep."""
        return ()

    def restore(self, slot: int, snapshot: Snapshot) -> None:
        """Nothing to put back."""

    def warm(self, batches: tuple[int, ...], hops: tuple[int, ...]) -> None:
        """Nothing to warm."""
