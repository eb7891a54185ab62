"""One mask for both channels of a stereo stream, made from any mixture of them: what the engine does not do by itself.

The engine masks each channel by itself. A benchmark may want less: the mask of the mid signal on both sides
(`benchmarks.stereo`), or the mask that a mixture gets laid on one of its sources, which goes along in the other
channel (`benchmarks.onsets`). Only the runtime is wrapped: sessions, analysis, presence gate and synthesis stay the
engine's own, and the graph runs one row for each pair of channels.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from engine.bundle import Bundle
from engine.programs.mask import CHANNELS, MaskProgram
from engine.runtimes.base import Floats, Runtime, Snapshot


class OneMaskRuntime:
    """A runtime (see `engine.runtimes.base.Runtime`) for stereo streams only, which asks `inner` once a pair of rows.

    Args:
        inner: the real one. The states of a pair lie at its first row's number.
        weights: how much of each channel the model hears; a spectrum is linear, so these mix samples as well.

    Raises:
        ValueError: not two weights.
    """

    def __init__(self, inner: Runtime, weights: Sequence[float]) -> None:
        if len(weights) != CHANNELS:
            raise ValueError(f"expected {CHANNELS} weights, got {len(weights)}")
        self._inner = inner
        self._weights = np.array(weights, np.float32)
        self.provider, self.note = inner.provider, inner.note

    def separate(self, slots: NDArray[np.intp], spectrum: Floats, query: Floats, hint: Floats) -> tuple[Floats, Floats]:
        """As `Runtime.separate`; both rows of a pair get the same mask and activity.

        Raises:
            ValueError: the rows are not pairs of channels: a stream is mono.
        """
        first, second = slots[::CHANNELS], slots[1::CHANNELS]
        if len(first) != len(second) or np.any(first % CHANNELS) or np.any(second != first + 1):
            raise ValueError(f"expected rows in pairs of channels, got {slots.tolist()}")
        pairs = spectrum.reshape(len(first), CHANNELS, *spectrum.shape[1:])
        heard = np.ascontiguousarray(np.einsum("pc...,c->p...", pairs, self._weights))
        mask, active = self._inner.separate(first, heard, query[::CHANNELS], hint[::CHANNELS])
        return np.repeat(mask, CHANNELS, axis=0), np.repeat(active, CHANNELS, axis=0)

    def reset(self, slots: list[int]) -> None:
        """Set the states of `slots` to zero."""
        self._inner.reset(slots)

    def snapshot(self, slot: int) -> Snapshot:
        """Copy of the states of a row; a pair's second row has none that are used."""
        return self._inner.snapshot(slot)

    def restore(self, slot: int, snapshot: Snapshot) -> None:
        """Put a row's states back."""
        self._inner.restore(slot, snapshot)

    def warm(self, batches: tuple[int, ...], hops: tuple[int, ...]) -> None:
        """Run every combination once."""
        self._inner.warm(batches, hops)


def with_one_mask(bundle: Bundle, weights: Sequence[float]) -> Bundle:
    """`bundle` with a program of its own whose stereo streams get one mask, of the channels mixed by `weights`.

    States lie in the bundle's own runtime, by slot number: do not run sessions of both at the same time.

    Raises:
        ValueError: not two weights.
    """
    runtime = OneMaskRuntime(bundle.masking.runtime, weights)
    return replace(bundle, runtime=runtime, program=MaskProgram(bundle.spec, runtime, time.perf_counter))
