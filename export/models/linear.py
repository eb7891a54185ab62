"""The linear-recurrent core: 160 bands, blocks of a gated linear recurrence and a gated MLP, asked by FiLM, one mask.

Its recurrence is minGRU's (Feng et al. 2024, "Were RNNs all we needed?"): gate and candidate depend on the input alone,
so all products with weights are one matrix product over time and only `h = (1 - z) h + z c` goes hop by hop. Around it
stand the norm, the output gate and the gated MLP of Griffin's residual block (De et al. 2024). Before the first block
each band is set against a slow mean of the stream's own level and of itself: what is steady shows as a constant; and
the low bins tell how far their phase went on (`export.models.phase`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from export.models import phase
from export.models.bands import BANDS, band_power, to_bins
from export.models.scan import linear_scan

COMPRESSION = 0.3
FLOOR = 1e-12
"""Added to |X|², so that digital silence has a finite logarithm: |X| = 1e-6 is a sine at -170 dBFS in one bin."""

KEPT = 0.99
"""What a slow mean keeps of itself from hop to hop: one second."""

LANES = 16
"""The level and the weight of its mean stand 16 times in a row: one number a stream would be computed by other
instructions in a batch of sixteen than alone, and differ in the last bit (see `export/linear_graph.py`)."""

SHORTEST_HOPS, LONGEST_HOPS = 1.2, 300.0


@dataclass(frozen=True, slots=True)
class LinearConfig:
    """Sizes of a linear core. The first `free_blocks` blocks are not asked: they hear the same whatever the query. The
    first `phase_bins` bins are heard with their phase's advance."""

    bins: int = 480
    width: int = 192
    inner: int = 256
    blocks: int = 3
    free_blocks: int = 1
    query: int = 64
    phase_bins: int = phase.MOST

    @property
    def state_shape(self) -> tuple[int, int]:
        """Rows × width: one row a block, one of slow band means, one of the last hop's bands, and one of its low bins,
        all real parts and then all imaginary ones, where their phase is heard."""
        return self.blocks + 2 + (self.phase_bins > 0), max(self.width, BANDS + 2 * LANES)


class LinearBlock(nn.Module):
    """Norm → gate, candidate, output gate → recurrence → + input; norm → gated MLP → + input."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.width = width
        self.recur_in = nn.Linear(width, 3 * width)
        self.recur_out = nn.Linear(width, width)
        self.mlp_in = nn.Linear(width, 2 * inner)
        self.mlp_out = nn.Linear(inner, width)
        hops = torch.logspace(math.log10(SHORTEST_HOPS), math.log10(LONGEST_HOPS), width)
        with torch.no_grad():
            # a gate of 1/hops forgets in `hops`: "chrono" initialisation, Tallec and Ollivier 2018
            self.recur_in.bias[:width] = -torch.log(hops - 1)
            self.recur_in.weight[:width] *= 0.5
            self.recur_out.weight *= 0.5
            self.mlp_out.weight *= 0.5

    def forward(self, x: Tensor, scale: Tensor | None, shift: Tensor | None, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """`x [T, B, width]`, scale `[B, width]`, shift `[T, B, width]`, `hidden [B, width]` → x, last hidden."""
        asked = functional.layer_norm(x, (self.width,))
        if scale is not None and shift is not None:
            asked = asked * (1 + scale) + shift
        gate, candidate, output = self.recur_in(asked).chunk(3, -1)
        pass_in = torch.sigmoid(gate.float())
        heard = linear_scan(1 - pass_in, pass_in * candidate.float(), hidden)
        x = x + self.recur_out(heard * functional.silu(output.float()))
        left, right = self.mlp_in(functional.layer_norm(x, (self.width,))).chunk(2, -1)
        return x + self.mlp_out(functional.silu(left.float()) * right.float()), heard[-1]


class LinearCore(nn.Module):
    """Complex `spectrum [B, T, 480]`, `query [B, 64]`, `hint [B, T, 2]`, `state [rows, B, width]` → two logits and the
    next state."""

    def __init__(self, config: LinearConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.bands_in = nn.Linear(3 * BANDS + 2 * config.phase_bins, width)
        self.level_in = nn.Linear(1, width, bias=False)
        self.hint_in = nn.Linear(2, width, bias=False)
        self.blocks = nn.ModuleList(LinearBlock(width, config.inner) for _ in range(config.blocks))
        self.asked = config.blocks - config.free_blocks + 1
        self.film = nn.Linear(config.query, 2 * width * self.asked)
        self.mask_out = nn.Linear(width, BANDS)
        self.active_out = nn.Linear(width, 1)
        nn.init.normal_(self.film.weight, std=0.3 / config.query**0.5)
        nn.init.zeros_(self.film.bias)

    def features(self, power: Tensor, advance: Tensor, state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """`[T, B, 3 · BANDS + 2 · phase_bins]` and `[T, B, 1]` from band powers `[T, B, BANDS]` and the advance of
        phases `[T, B, 2 · phase_bins]`; the two rows of state that follow.

        Magnitudes |X|^0.3 over exp(slow mean of the log level): now, one hop ago, and their slow mean; the advance, as
        long as the magnitude now; and the level against its slow mean. The means are divided by the weight gathered so
        far, so a state of zeros is a new stream.
        """
        magnitude = torch.exp(0.5 * COMPRESSION * torch.log(power + FLOOR))
        level = torch.log(magnitude.mean(-1, keepdim=True)).expand(-1, -1, LANES)
        slow, last = state
        kept = torch.full_like(level[..., :1], KEPT)
        counted = torch.cat([level, torch.ones_like(level)], -1)
        sums = linear_scan(kept.expand_as(counted), (1 - KEPT) * counted, slow[:, BANDS : BANDS + 2 * LANES])
        weight = sums[..., LANES : LANES + 1]
        slow_level = sums[..., :1] / weight
        now = magnitude * torch.exp(-slow_level)
        band_sums = linear_scan(kept.expand_as(now), (1 - KEPT) * now, slow[:, :BANDS])
        before = torch.cat([last[None, :, :BANDS], now[:-1]])
        low = now[..., : self.config.phase_bins]
        features = torch.cat([now - 1, before - 1, band_sums / weight - 1, advance * torch.cat([low, low], -1)], -1)
        rows = torch.stack([_filled(torch.cat([band_sums[-1], sums[-1]], -1), state), _filled(now[-1], state)])
        return features, level[..., :1] - slow_level, rows

    def banded(
        self, power: Tensor, advance: Tensor, query: Tensor, hint: Tensor, state: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """As `forward`, time first and for band powers `[T, B, BANDS]` and the advance of phases
        `[T, B, 2 · phase_bins]`: `query [B · K, 64]`, `hint [T, B · K, 2]`, `state [rows, B · K, width]` →
        `[T, B · K, BANDS]`, `[T, B · K]`, state (its row of past bins as it was).

        With K > 1 (in training) the rows `b · K … b · K + K - 1` ask K questions of mixture b, and what is not asked is
        heard once.
        """
        config, questions = self.config, len(query) // power.shape[1]
        own, past = state[:, ::questions], config.blocks + 2
        with torch.no_grad():
            features, level, rows = self.features(power.float(), advance.float(), own[config.blocks : past])
        x = self.bands_in(features) + self.level_in(level)
        modulation = self.film(_unit_mean_square(query)).chunk(2 * self.asked, -1)
        hinted = self.hint_in(hint)
        hidden = []
        for index, block in enumerate(self.blocks):
            number = index - config.free_blocks
            if number < 0:
                x, last = block(x, None, None, own[index, :, : config.width])
                last = last.repeat_interleave(questions, 0)
            else:
                x = x.repeat_interleave(questions, 1) if number == 0 else x
                scale, shift = modulation[2 * number : 2 * number + 2]
                x, last = block(x, scale, shift + hinted, state[index, :, : config.width])
            hidden.append(_filled(last, state))
        out = functional.layer_norm(x, (config.width,)) * (1 + modulation[-2]) + modulation[-1]
        after = torch.cat([torch.stack(hidden), rows.repeat_interleave(questions, 1), state[past:]])
        return self.mask_out(out), self.active_out(out).squeeze(-1), after

    def forward(self, spectrum: Tensor, query: Tensor, hint: Tensor, state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mask logits `[B, T, 480]`, activity logits `[B, T]`, next state; sigmoid makes gains and probabilities."""
        bins, rows = self.config.phase_bins, self.config.blocks + 2
        spectrum = spectrum.transpose(0, 1)
        power, advance = band_power(spectrum.real.square() + spectrum.imag.square()), spectrum.real[..., :0]
        if bins:
            past = torch.complex(state[rows:, :, :bins], state[rows:, :, bins : 2 * bins])
            advance = phase.advance(torch.cat([past, spectrum[..., :bins]]))
        logits, active, after = self.banded(power, advance, query, hint.transpose(0, 1), state)
        if bins:
            last = spectrum[-1:, :, :bins]
            after = torch.cat([after[:rows], _filled(torch.cat([last.real, last.imag], -1), state)])
        return to_bins(logits.transpose(0, 1)), active.transpose(0, 1), after


def _unit_mean_square(query: Tensor) -> Tensor:
    """The query with a mean square of 1: a union of fifteen speaks as loud as one word. Zeros stay zeros."""
    return query * torch.rsqrt(query.square().mean(-1, keepdim=True) + 1e-6)


def _filled(row: Tensor, state: Tensor) -> Tensor:
    """`[B, n]` → `[B, state's width]`."""
    return functional.pad(row.float(), (0, state.shape[-1] - row.shape[-1]))
