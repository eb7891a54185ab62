"""Silence where the model itself says that its target does not sound: a gate by its activity, batched over slots.

A mask that has nothing to keep still lets a little through, 20 to 40 dB down. Where the model is sure of it, nothing
comes. The gate opens at once, since an onset that is cut is heard, and closes over a fifth of a second, since a word
that ends is followed by another. It cannot help where the model takes another sound for its target.

The thresholds are so low that no onset is cut by more than 20 ms, and it helps little: absent targets are left -22.39
rather than -22.34 dB on average, where 0.05 to 0.1 would leave -22.74 dB and cut 0.6 % of the onsets, and 0.1 to 0.2
-23.16 dB and 1.2 % (`benchmarks/presence.py`, held out; trained on, the three cut 0, 0 and 0.9 %).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SHUT_BELOW, OPEN_ABOVE = 0.02, 0.04
"""Activity probabilities; between them the gate is partly open."""

CLOSES_BY = 0.05
"""How much a gate closes in one hop."""

Floats = NDArray[np.float32]


class PresenceGate:
    """How far each slot is open, from 0 to 1.

    Args:
        shut_below, open_above: activity probabilities; `open_above` 0 leaves the gate open for ever.
        closes_by: how much it closes in one hop.
    """

    def __init__(
        self, shut_below: float = SHUT_BELOW, open_above: float = OPEN_ABOVE, closes_by: float = CLOSES_BY
    ) -> None:
        self._shut, self._sure, self._closes = np.float32(shut_below), np.float32(open_above), np.float32(closes_by)
        self._open: Floats = np.zeros(0, np.float32)

    def grow(self, slots: int) -> None:
        """Hold at least `slots` slots; what is held stays."""
        if slots > len(self._open):
            self._open = np.concatenate([self._open, np.zeros(slots - len(self._open), np.float32)])

    def reset(self, slot: int) -> None:
        """Shut: nothing has sounded yet."""
        self._open[slot] = 0.0

    def held(self, slot: int) -> float:
        """What `restore` takes."""
        return float(self._open[slot])

    def restore(self, slot: int, held: float) -> None:
        """Put back what `held` returned."""
        self._open[slot] = held

    def gains(self, slots: NDArray[np.intp], active: Floats, hints: Sequence[int]) -> Floats | None:
        """Gains `(n, hops)` of distinct slots `(n,)`, or None where all are 1.

        Args:
            slots: which.
            active: activity probability, `(n, hops)`.
            hints: what is known of each slot, as `Work.hints`: one that is known to sound is not gated.
        """
        if 1 in hints:
            active = np.where(np.equal(hints, 1)[:, None], np.float32(1.0), active)
        if float(active.min(initial=1.0)) >= self._sure:
            self._open[slots] = 1.0
            return None
        wanted = (active - self._shut) * np.float32(1.0 / (self._sure - self._shut))
        np.maximum(np.minimum(wanted, 1.0, out=wanted), 0.0, out=wanted)
        if active.shape[1] == 1:  # the live case
            now = np.maximum(wanted, self._open[slots, None] - self._closes)
            self._open[slots] = now[:, 0]
            return np.asarray(now, np.float32)
        # Each hop is open as far as it wants, or as any earlier one was, less what has closed since.
        closed = self._closes * np.arange(1, active.shape[1] + 1, dtype=np.float32)
        rising = np.maximum.accumulate(np.maximum(wanted + closed, self._open[slots, None]), axis=1)
        gains = np.clip(rising - closed, 0.0, 1.0)
        self._open[slots] = gains[:, -1]
        return gains
