"""Make the samples of drawn sources, on any device: laid down, played faster or slower, in a room, coming and going."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy.fft import next_fast_len
from torch import Tensor

from export.train.cache import SampleStore
from export.train.corpus import SAMPLE_RATE
from export.train.frames import HOP
from export.train.scenes import Source

FAINT_DB = 30.0
"""A cut that is never louder than this below its recording's peak is silence: it would be raised to full level, and
noise between two chirps be taught as "birds"."""
LONGEST_ROOM_S = 0.5
FADE = SAMPLE_RATE // 200
"""5 ms, at both ends of an event."""


class SoundMaker:
    """Sources as samples. On a GPU a recording's samples stay there once they were used.

    Args:
        store: recordings by name.
        length: samples of a source, whole hops.
        device: where they are made.
    """

    def __init__(self, store: SampleStore, length: int, device: torch.device) -> None:
        self._store, self._length, self._device = store, length, device
        self._held: dict[str, Tensor] = {}
        self._peaks: dict[str, float] = {}

    def make(self, sources: Sequence[Source], generator: torch.Generator) -> Tensor:
        """`[sources, length]` float32 with mean square 1 where they sound; `generator` (of the device) makes rooms."""
        raw = self._laid_down(sources)
        raw *= (raw.abs().amax(1) > self._faint(sources))[:, None]
        samples = self._at_speed(raw, [source.speed for source in sources])
        rooms = [row for row, source in enumerate(sources) if source.room is not None]
        if rooms:
            samples[rooms] = self._in_rooms(samples[rooms], [sources[row] for row in rooms], generator)
        for row, source in enumerate(sources):
            if source.events is not None:
                samples[row] *= self._gain(source.events)
        return to_unit_power(samples)

    def _laid_down(self, sources: Sequence[Source]) -> Tensor:
        """`[sources, longest]` in whole numbers of 16 bits, before the change of speed."""
        longest = int(self._length * max(1.0, *(source.speed for source in sources))) + 2
        raw = torch.zeros(len(sources), longest, device=self._device)
        for row, source in enumerate(sources):
            for file, (begin, at, count) in ((piece.file, piece.cut) for piece in source.pieces):
                raw[row, at : at + count] = self._samples(file)[begin : begin + count]
            if source.backwards:
                heard = raw[row, : int(self._length * source.speed) + 2]
                heard.copy_(heard.flip(0))
        return raw

    def _faint(self, sources: Sequence[Source]) -> Tensor:
        """`[sources]`: the peak below which each counts as silent."""
        return torch.tensor(
            [
                max((self._peak(piece.file) for piece in one.pieces), default=0.0) * 10 ** (-FAINT_DB / 20)
                for one in sources
            ],
            device=self._device,
        )

    def _peak(self, file: str) -> float:
        if file not in self._peaks:
            self._peaks[file] = float(np.abs(self._store[file].astype(np.float32)).max(initial=0.0))
        return self._peaks[file]

    def _samples(self, file: str) -> Tensor:
        if self._device.type == "cpu":
            return torch.from_numpy(self._store[file])
        if file not in self._held:
            self._held[file] = torch.from_numpy(self._store[file]).to(self._device)
        return self._held[file]

    def _at_speed(self, raw: Tensor, speeds: Sequence[float]) -> Tensor:
        """Resampled (linear interpolation: its loss above 15 kHz is a mild shelf, one more augmentation)."""
        samples = raw[:, : self._length].clone()
        changed = [row for row, speed in enumerate(speeds) if speed != 1.0]
        if changed:
            factor = torch.tensor([speeds[row] for row in changed], dtype=torch.float64, device=self._device)
            at = torch.arange(self._length, dtype=torch.float64, device=self._device) * factor[:, None]
            before = at.long()
            left = raw[changed].gather(1, before)
            right = raw[changed].gather(1, before + 1)
            samples[changed] = torch.lerp(left, right, (at - before).float())
        return samples

    def _in_rooms(self, dry: Tensor, sources: Sequence[Source], generator: torch.Generator) -> Tensor:
        rooms = [source.room for source in sources if source.room is not None]
        decay_s = torch.tensor([room.decay_s for room in rooms], device=self._device)[:, None]
        below_db = torch.tensor([room.below_db for room in rooms], device=self._device)[:, None]
        count = int(LONGEST_ROOM_S * SAMPLE_RATE)  # always as long: a GPU keeps a plan for each size of transform
        t = torch.arange(count, device=self._device) / SAMPLE_RATE
        tails = torch.randn(len(rooms), count, generator=generator, device=self._device)
        tails *= torch.exp(-6.9 * t / decay_s) * (t < decay_s)
        tails *= 10 ** (-below_db / 20) / torch.linalg.vector_norm(tails, dim=1, keepdim=True)
        tails[:, 0] += 1.0
        size = next_fast_len(self._length + count, real=True)
        wet: Tensor = torch.fft.irfft(torch.fft.rfft(dry, size) * torch.fft.rfft(tails, size), size)
        return wet[:, : self._length]

    def _gain(self, events: Sequence[tuple[int, int]]) -> Tensor:
        """`[length]`: 1 within an event, 0 outside, with a fade at both ends."""
        gain = torch.zeros(self._length, device=self._device)
        fade = torch.linspace(0.0, 1.0, FADE, device=self._device)
        for begin, count in events:
            stretch = torch.ones(max(count, 2 * FADE), device=self._device)
            stretch[:FADE], stretch[-FADE:] = fade, fade.flip(0)
            gain[begin : begin + len(stretch)] = stretch[: max(self._length - begin, 0)]
        return gain


def to_unit_power(samples: Tensor) -> Tensor:
    """`[rows, n]` scaled to a mean square of 1 over the 10 ms within 40 dB of each row's loudest; silence stays so."""
    power = samples.unflatten(1, (-1, HOP)).square().mean(2)
    loudest = power.amax(1, keepdim=True)
    loud = power > 1e-4 * loudest
    mean = (power * loud).sum(1, keepdim=True) / loud.sum(1, keepdim=True).clamp_min(1)
    return torch.where(loudest < 1.0, 0.0, samples * mean.clamp_min(1e-9).rsqrt())
