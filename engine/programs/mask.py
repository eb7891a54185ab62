"""The `mask` program: short-time Fourier transform → graph → mask → inverse → overlap-add.

Batched over the slots of all streams: one transform each way and one graph call per group of works with the same
number of hops. The transform of a stream is made once, however many targets ask for it. Each channel of a stereo stream
has a mask and a state of its own: that scores 0.6 to 0.7 dB better than one mask made from the mid signal
(`benchmarks/stereo.py`), for a second row in the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from engine.errors import EngineFault, NoCapacity
from engine.frames import Result, Vector, Work
from engine.overlap_add import OverlapAdd, root_hann
from engine.programs.presence import PresenceGate
from engine.prompt import Pictures
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

    most_hops = 128
    """See `Program`; a file's longest work."""

    def __init__(self, spec: ModelSpec, runtime: Runtime, clock: Callable[[], float], most_slots: int = 4096) -> None:
        audio = spec.audio
        self.spec = spec
        self.runtime = runtime
        self._clock = clock
        self._hop = audio.hop
        self._window = audio.window
        self._bins = spec.bins
        self._taper = root_hann(audio.window)
        self.most_slots = most_slots
        self._free = list(range(most_slots - 1, -1, -1))
        self._queries = np.zeros((0, spec.query_size), np.float32)
        self._overlap = OverlapAdd(0, audio.hop, audio.crossfade)
        self.presence = PresenceGate()

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
            self.presence.grow(size)
        self.reset(slot)
        self._queries[slot] = 0.0
        return slot

    def close_slot(self, slot: int) -> None:
        """Give a slot back."""
        self._free.append(slot)

    def reset(self, slot: int) -> None:
        """Forget the stream so far; the query stays."""
        self.runtime.reset(_rows(slot))
        self._overlap.reset(_rows(slot))
        self.presence.reset(slot)

    def condition(
        self, slot: int, query: Vector | str, pictures: Pictures | None = None, predicts: bool = False, seed: int = 0
    ) -> None:
        """Set what the slot listens for: `(query_size,)`, the sum of concept vectors or any encoder's output."""
        assert not isinstance(query, str), "this program reads vectors"
        self._queries[slot] = query

    def snapshot(self, slot: int) -> tuple[list[Snapshot], NDArray[np.float32], float]:
        """Copy of all that the slot remembers of its stream."""
        return (
            [self.runtime.snapshot(row) for row in _rows(slot)],
            self._overlap.tails(_rows(slot)),
            self.presence.held(slot),
        )

    def restore(self, slot: int, state: tuple[list[Snapshot], NDArray[np.float32], float]) -> None:
        """Put back what `snapshot` returned."""
        for row, remembered in zip(_rows(slot), state[0], strict=True):
            self.runtime.restore(row, remembered)
        self._overlap.restore(_rows(slot), state[1])
        self.presence.restore(slot, state[2])

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
        spectra = np.ascontiguousarray(self._analyse(works, hops)[..., : self._bins])  # (channels of works, hops, bins)
        if layout.sources is not None:
            spectra = spectra[layout.sources]  # (rows, hops, bins)
        analysed = self._clock()
        mask, active = self._asked(layout, spectra.view(np.float32).reshape(*spectra.shape, 2))
        modelled = self._clock()
        kept: NDArray[np.float32] | NDArray[np.complex64] = mask if mask.ndim == 3 else mask.view(np.complex64)[..., 0]
        active = layout.by_slot(active)
        if (gains := self.presence.gains(layout.slots, active, layout.hints)) is not None:
            kept = kept * gains[layout.slot_of_row][..., None]
        samples, faulty = self._synthesise(layout.rows, kept * spectra)
        model_s = modelled - analysed
        stitch_s = self._clock() - begun - model_s
        return layout.split(samples, active, faulty, model_s, stitch_s)

    def _asked(self, layout: _Layout, spectrum: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        queries, hints = self._queries[layout.slots], _HINTS[layout.hints]
        if len(layout.rows) > len(layout.slots):
            queries, hints = queries[layout.slot_of_row], hints[layout.slot_of_row]
        try:
            return self.runtime.separate(layout.rows, spectrum, queries, hints)
        except Exception as error:  # each library has its own; the step is lost, the server is not
            raise EngineFault(f"the runtime failed on {len(layout.slots)} slots: {error}") from error

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

    A row is a slot on one channel; `rows` are its numbers in the runtime's bank and in the overlap-add's. `sources`
    says which spectrum each row hears, None in the common case: one slot a work, so that spectra and rows are the same.
    """

    def __init__(self, works: list[Work]) -> None:
        self.works = works
        self.slots = np.array([slot for work in works for slot in work.slots], np.intp)
        self.hints = [hint for work in works for hint in work.hints]
        channels = [len(work.window) for work in works for _ in work.slots]
        self.mono = max(channels) == 1
        self.slot_of_row: NDArray[np.intp] | slice = slice(None)
        self.rows: NDArray[np.intp] = self.slots * CHANNELS
        self.sources: NDArray[np.intp] | None = None
        if not self.mono:
            self._starts = np.concatenate([[0], np.cumsum(channels)[:-1]])
            self.slot_of_row = np.repeat(np.arange(len(channels)), channels)
            channel_of_row = np.arange(sum(channels)) - self._starts[self.slot_of_row]
            self.rows = self.rows[self.slot_of_row] + channel_of_row
        if any(len(work.slots) > 1 for work in works):
            self.sources = np.array(_sources(works), np.intp)

    def by_slot(self, active: NDArray[np.float32]) -> NDArray[np.float32]:
        """`(rows, hops)` → `(slots, hops)`: a target that sounds on one channel sounds."""
        return active if self.mono else np.maximum.reduceat(active, self._starts)

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


def _sources(works: list[Work]) -> list[int]:
    """For each row of each work, by slot and channel, the number of its spectrum."""
    sources: list[int] = []
    first = 0
    for work in works:
        channels = range(first, first + len(work.window))
        for _ in work.slots:
            sources += channels
        first += len(work.window)
    return sources


def _rows(slot: int) -> list[int]:
    return [slot * CHANNELS + channel for channel in range(CHANNELS)]
