"""Make of drawn examples what a training step eats: spectra of mixture and target, the question, the activity; on the
device that trains.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from export.models import phase
from export.models.bands import band_power
from export.train.cache import SampleStore
from export.train.examples import Example, Hint
from export.train.frames import BINS, HOP, ROOT_HANN, WINDOW, Float32
from export.train.sound import SoundMaker

ACTIVE_DB = -35.0
"""A frame counts as active down to this far below the target's loudest frame."""


@dataclass(frozen=True, slots=True)
class Batch:
    """K questions of each of B mixtures, all float32; F is 160 bands (powers summed within each) or 480 bins.

    `own [B, T, F]` the mixture's power, `advance [B, T, 2 · phase_bins]` that of its low phases; `target`, `across
    [B, K, T, F]` the target's power and Re(X S*); `asked [B, K, concepts]`; `active [B, K, T]`; `hint [B, K, T, 2]`;
    `scored [B, 1, F]`: 1 for each band of which every bin could be filled by every recording.
    """

    own: Tensor
    advance: Tensor
    target: Tensor
    across: Tensor
    asked: Tensor
    active: Tensor
    hint: Tensor
    scored: Tensor


class Mixer:
    """Examples into batches. On a CPU one mixture after the other, so that it stays in the cache; on a GPU all at once:
    there one generator draws the rooms and hisses of all, and sums may differ in their last bits from run to run.

    Args:
        store: samples of the recordings that the examples name.
        length: samples of an example.
        concepts: the words, in the order of `asked`.
        banded: sum powers within bands.
        phase_bins: low bins of which the phase's advance is given.
        device: where all of it is made, and stays.
    """

    def __init__(
        self,
        store: SampleStore,
        length: int,
        concepts: Sequence[str],
        *,
        banded: bool = True,
        phase_bins: int = 0,
        device: torch.device | str = "cpu",
    ) -> None:
        self.device = torch.device(device)
        self._sound = SoundMaker(store, length, self.device)
        self._concepts = list(concepts)
        self._phase_bins = phase_bins
        self._fold: Callable[[Tensor], Tensor] = band_power if banded else _as_it_is
        self._window = torch.from_numpy(ROOT_HANN).to(self.device)
        self._at_once = 1 if self.device.type == "cpu" else 1 << 20

    @torch.no_grad()
    def mix(self, examples: Sequence[Example]) -> Batch:
        """The batch of some examples, all with as many questions."""
        parts = [self._mix(examples[at : at + self._at_once]) for at in range(0, len(examples), self._at_once)]
        return Batch(*(torch.cat([getattr(part, field.name) for part in parts]) for field in fields(Batch)))

    def _mix(self, examples: Sequence[Example]) -> Batch:
        generator = torch.Generator(self.device).manual_seed(examples[0].seed)
        spectra, rows = self._spectra(examples, generator)
        mixtures = torch.zeros(len(examples), *spectra.shape[1:], dtype=spectra.dtype, device=self.device)
        _add(mixtures, [number for number, example in enumerate(examples) for _ in example.sources], spectra)
        self._add_hiss(mixtures, examples, generator)
        scale = self._scale(mixtures, examples)
        mixtures *= scale
        questions = len(examples[0].asked)
        targets = torch.zeros(len(examples) * questions, *spectra.shape[1:], dtype=spectra.dtype, device=self.device)
        answers = [
            (number * questions + question, rows[number] + row)
            for number, example in enumerate(examples)
            for question, hits in enumerate(example.hits)
            for row, hit in enumerate(hits)
            if hit
        ]
        if answers:
            _add(targets, [answer for answer, _ in answers], spectra[[row for _, row in answers]])
        targets = targets.unflatten(0, (-1, questions)) * scale[:, None]
        across = mixtures.real[:, None] * targets.real + mixtures.imag[:, None] * targets.imag
        target = self._fold(_power(targets))
        active = activity(target)
        asked = [[[word in wanted for word in self._concepts] for wanted in example.asked] for example in examples]
        told = self._tensor(np.array([[_told(hint, active.shape[2]) for hint in one.hints] for one in examples]))
        unfilled = self._fold(self._tensor(1 - np.stack([example.filled for example in examples])))
        return Batch(
            own=self._fold(_power(mixtures)),
            advance=self._advance(mixtures),
            target=target,
            across=self._fold(across),
            asked=self._tensor(np.array(asked)),
            active=active,
            hint=torch.stack([active * told, (1 - active) * told], -1),
            scored=1 - unfilled.clamp_max(1)[:, None],
        )

    def _advance(self, mixtures: Tensor) -> Tensor:
        """Before the first frame lies silence."""
        low = functional.pad(mixtures[..., : self._phase_bins].transpose(0, 1), (0, 0, 0, 0, 1, 0))
        return phase.advance(low).transpose(0, 1)

    def _tensor(self, values: npt.NDArray[Any]) -> Tensor:
        return torch.from_numpy(np.asarray(values, np.float32)).to(self.device)

    def _spectra(self, examples: Sequence[Example], generator: torch.Generator) -> tuple[Tensor, list[int]]:
        """`[sources, T, 480]` of all examples' sources, and the row at which each example's begin."""
        samples = self._sound.make([source for example in examples for source in example.sources], generator)
        spectra = torch.fft.rfft(samples.unfold(1, WINDOW, HOP) * self._window)[..., :BINS]
        spectra = spectra * self._tensor(np.concatenate([example.gains for example in examples]))[:, None]
        rows, row = [], 0
        for example in examples:
            rows.append(row)
            for extension in example.extensions:
                _extend(spectra[row + extension.row], extension.gains)
            row += len(example.sources)
        return spectra, rows

    def _add_hiss(self, mixtures: Tensor, examples: Sequence[Example], generator: torch.Generator) -> None:
        noisy = [(number, one.hiss) for number, one in enumerate(examples) if one.hiss is not None]
        if noisy:
            magnitudes = self._tensor(np.stack([hiss for _, hiss in noisy]))[:, None]
            shape = (len(noisy), *mixtures.shape[1:])
            noise = torch.randn(shape, dtype=torch.complex64, generator=generator, device=self.device)
            _add(mixtures, [number for number, _ in noisy], noise * magnitudes)

    def _scale(self, mixtures: Tensor, examples: Sequence[Example]) -> Tensor:
        """`[B, 1, 1]` factors that bring mixtures to their level (Parseval: one side of a window holds 480 · power)."""
        power = _power(mixtures).sum(2).mean(1)
        wanted = 480 * 480 * 10 ** (self._tensor(np.array([example.level_db for example in examples])) / 10)
        return torch.sqrt(wanted / (power + 1e-9))[:, None, None]


def _add(to: Tensor, at: Sequence[int], values: Tensor) -> None:
    """Add complex `values [n, …]` to the rows `at` of `to`, which may come several times."""
    index = torch.tensor(at, device=to.device)
    torch.view_as_real(to).index_add_(0, index, torch.view_as_real(values))


def _power(spectrum: Tensor) -> Tensor:
    return spectrum.real.square() + spectrum.imag.square()


def _as_it_is(values: Tensor) -> Tensor:
    return values


def _extend(spectrum: Tensor, gains: Sequence[float]) -> None:
    """Repeat 4–8 kHz at 8–12, 12–16 and 16–20 kHz, in place on `[T, 480]`.

    A shift by 80 bins turns the phase by whole turns from hop to hop (80 · 480 / 960 = 40), so the windows still agree.
    """
    upper = spectrum[:, 78:158].clone()
    for copy, gain in enumerate(gains):
        spectrum[:, 158 + 80 * copy : 238 + 80 * copy] = upper * gain


def _told(hint: Hint | None, frames: int) -> Float32:
    """`[frames]`: 1 where the truth is told."""
    told = np.zeros(frames, np.float32)
    if hint is not None:
        told[hint.begin : hint.end] = 1
    return told


def activity(target: Tensor) -> Tensor:
    """1 for each frame of powers `[..., T, F]` within 35 dB of the loudest one; all 0 for silence."""
    power = target.sum(-1)
    loudest = power.amax(-1, keepdim=True)
    return ((power > 10 ** (ACTIVE_DB / 10) * loudest) & (power > 1e-8)).float()
