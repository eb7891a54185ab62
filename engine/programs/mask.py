"""The `mask` program: short-time Fourier transform → graph → complex mask → inverse → overlap-add.

Batched over the slots of all streams: one transform each way and one graph call per group of works with the same
number of hops. The transform of a stream is made once, however many targets ask for it. A stereo stream is masked on
its mid signal `(left + right) / 2`, one mask for both channels (scores of both ways: `CARD.md` of the bundle).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from engine.errors import EngineFault, NoCapacity
from engine.frames import Result, Vector, Work
from engine.overlap_add import OverlapAdd, root_hann
from engine.runtimes.base import Runtime, Snapshot
from engine.spec import ModelSpec

CHANNELS = 2
"""Most channels of a stream, hence overlap-add rows of a slot."""

_HINTS = np.array([[0, 0], [1, 0], [0, 1]], np.float32)
"""Activity hint as the graph wants it: unknown, on, off."""


class MaskProgram:
    """Slots of one masking model.

    Args:
        spec: the bundle's spec.
        runtime: where its graph runs.
        clock: seconds, monotonic; only for measuring.
        most_slots: slots that may be open at once.
    """

    def __init__(self, spec: ModelSpec, runtime: Runtime, clock: Callable[[], float], most_slots: int = 4096) -> None:
        audio = spec.audio
        self.spec = spec
        self.runtime = runtime
        self._clock = clock
        self._hop = audio.hop
        self._window = audio.window
        self._bins = spec.bins
        self._taper = root_hann(audio.window)
        self._free = list(range(most_slots - 1, -1, -1))
        self._queries = np.zeros((0, spec.query_size), np.float32)
        self._overlap = OverlapAdd(0, audio.hop, audio.crossfade)

    def open_slot(self) -> int:
        """A fresh slot: state, tail and query are zero.

        Raises:
            NoCapacity: all slots are open.
        """
        if not self._free:
            raise NoCapacity("every slot of the model is taken")
        slot = self._free.pop()
        if slot >= len(self._queries):
            size = max(2 * len(self._queries), slot + 1, 16)
            grown = np.zeros((size, self.spec.query_size), np.float32)
            grown[: len(self._queries)] = self._queries
            self._queries = grown
            self._overlap.grow(size * CHANNELS)
        self.reset(slot)
        self._queries[slot] = 0.0
        return slot

    def close_slot(self, slot: int) -> None:
        """Give a slot back."""
        self._free.append(slot)

    def reset(self, slot: int) -> None:
        """Forget the stream so far; the query stays."""
        self.runtime.reset([slot])
        self._overlap.reset(_rows(slot))

    def condition(self, slot: int, query: Vector) -> None:
        """Set what the slot listens for: `(query_size,)`, the sum of concept vectors or any encoder's output."""
        self._queries[slot] = query

    def snapshot(self, slot: int) -> tuple[Snapshot, NDArray[np.float32]]:
        """Copy of all that the slot remembers of its stream."""
        return self.runtime.snapshot(slot), self._overlap.tails(_rows(slot))

    def restore(self, slot: int, state: tuple[Snapshot, NDArray[np.float32]]) -> None:
        """Put back what `snapshot` returned."""
        self.runtime.restore(slot, state[0])
        self._overlap.restore(_rows(slot), state[1])

    def step(self, works: list[Work]) -> Iterator[list[Result]]:
        """Run works; yields the results of one graph call at a time, so that the caller may stop in between.

        Raises:
            EngineFault: a call failed; the states of its works are as before it.
        """
        groups: dict[int, list[Work]] = {}
        for work in works:
            groups.setdefault(work.hops, []).append(work)
        for hops, group in groups.items():
            yield self._step_group(group, hops)

    def _step_group(self, works: list[Work], hops: int) -> list[Result]:
        begun = self._clock()
        layout = _Layout(works)
        spectra = self._analyse(works, hops)[..., : self._bins]  # (rows, hops, bins)
        mid = spectra[layout.first_row]
        if layout.stereo_works:
            mid[layout.stereo_works] += spectra[layout.second_row]
            mid[layout.stereo_works] *= 0.5
        heard = mid if layout.plain else mid[layout.slot_work]
        heard = np.ascontiguousarray(heard)
        analysed = self._clock()
        mask, active = self._asked(layout, heard.view(np.float32).reshape(*heard.shape, 2))
        modelled = self._clock()
        kept: NDArray[np.complex64] = mask.view(np.complex64)[..., 0]
        if not layout.plain:
            kept, spectra = kept[layout.out_slot], spectra[layout.out_row]
        samples, faulty = self._synthesise(layout.bank_rows, kept * spectra)
        model_s = modelled - analysed
        stitch_s = self._clock() - begun - model_s
        return layout.split(samples, active, faulty, model_s, stitch_s)

    def _asked(self, layout: _Layout, spectrum: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        try:
            return self.runtime.separate(layout.slots, spectrum, self._queries[layout.slots], _HINTS[layout.hints])
        except EngineFault:
            raise
        except Exception as error:  # out of memory, say: the step is lost, the server is not
            raise EngineFault(f"the runtime failed: {error}") from error

    def _analyse(self, works: list[Work], hops: int) -> NDArray[np.complex64]:
        frames = np.empty((sum(len(work.window) for work in works), hops, self._window), np.float32)
        row = 0
        for work in works:
            for channel in work.window:
                if hops == 1:
                    frames[row, 0] = channel
                else:
                    frames[row] = np.lib.stride_tricks.as_strided(
                        channel,
                        (hops, self._window),
                        (self._hop * channel.strides[0], channel.strides[0]),
                        writeable=False,
                    )
                row += 1
        frames *= self._taper
        spectra: NDArray[np.complex64] = fft.rfft(frames, axis=-1, overwrite_x=True)
        return spectra

    def _synthesise(
        self, rows: NDArray[np.intp], spectra: NDArray[np.complex64]
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_] | None]:
        """Finished samples of every row, and which rows were not finite (None: all were).

        Such rows are silenced before they reach the overlap-add: the other streams of the step must not notice.
        """
        whole = np.zeros((*spectra.shape[:2], self._window // 2 + 1), np.complex64)
        whole[..., : self._bins] = spectra
        # scipy keeps single precision; its type stubs do not know.
        frames: NDArray[np.float32] = fft.irfft(whole, n=self._window, axis=-1, overwrite_x=True)  # type: ignore[assignment]
        frames *= self._taper
        faulty: NDArray[np.bool_] | None = None
        if not np.isfinite(frames.sum()):
            faulty = np.asarray(~np.isfinite(frames).all(axis=(1, 2)))
            frames[faulty] = 0.0
        return self._overlap.add(rows, frames), faulty


class _Layout:
    """Which row of which array belongs to which work, slot and channel, for one group of works.

    `plain` is the common case, one slot and one channel a work: then every row is its own and nothing is indexed.
    """

    def __init__(self, works: list[Work]) -> None:
        self.works = works
        self.slots = np.array([slot for work in works for slot in work.slots], np.intp)
        self.hints = [hint for work in works for hint in work.hints]
        self.plain = all(len(work.slots) == 1 and len(work.window) == 1 for work in works)
        self.first_row: list[int] | slice = slice(None)
        self.second_row: list[int] = []
        self.stereo_works: list[int] = []
        self.slot_work: list[int] = []
        self.out_slot: list[int] = []
        self.out_row: list[int] = []
        self.bank_rows: NDArray[np.intp] = self.slots * CHANNELS
        if not self.plain:
            self._index()

    def _index(self) -> None:
        first: list[int] = []
        bank: list[int] = []
        row = count = 0
        for number, work in enumerate(self.works):
            channels = len(work.window)
            first.append(row)
            if channels == CHANNELS:
                self.second_row.append(row + 1)
                self.stereo_works.append(number)
            for slot in work.slots:
                self.slot_work.append(number)
                self.out_slot += [count] * channels
                self.out_row += range(row, row + channels)
                bank += range(slot * CHANNELS, slot * CHANNELS + channels)
                count += 1
            row += channels
        self.first_row = first
        self.bank_rows = np.array(bank, np.intp)

    def split(
        self,
        samples: NDArray[np.float32],
        active: NDArray[np.float32],
        faulty: NDArray[np.bool_] | None,
        model_s: float,
        stitch_s: float,
    ) -> list[Result]:
        results = []
        row = count = 0
        for work in self.works:
            slots, channels = len(work.slots), len(work.window)
            rows = slots * channels
            part = samples[row : row + rows].reshape(slots, channels, samples.shape[1])
            wrong = faulty is not None and bool(faulty[row : row + rows].any())
            results.append(Result(work, part, active[count : count + slots], model_s, stitch_s, wrong))
            row += rows
            count += slots
        return results


def _rows(slot: int) -> list[int]:
    return [slot * CHANNELS + channel for channel in range(CHANNELS)]
