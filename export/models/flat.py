"""The flat core: one Linear from 480 bins to 256 features, two GRUs asked by FiLM, one mask. About 1.3 M weights.

Source: the project's note on the embedded separator (section 2, row "flat"), with three changes: the input is split
into a shape that no gain can move and its level; the mask is a real gain, for an input of magnitudes says nothing of
phase; the hint enters beside the query.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

COMPRESSION = 0.3
FLOOR = 1e-12
"""Added to |X|², so that digital silence has a finite logarithm: |X| = 1e-6 is a sine at -170 dBFS in one bin."""


@dataclass(frozen=True, slots=True)
class FlatConfig:
    """Sizes of a flat core."""

    bins: int = 480
    hidden: int = 256
    blocks: int = 2
    query: int = 64

    @property
    def state_shape(self) -> tuple[int, int]:
        """Rows × width of the state: one row a block."""
        return self.blocks, self.hidden


def compress(power: Tensor) -> Tensor:
    """|X|^0.3 of `|X|²`, any shape."""
    return torch.exp(0.5 * COMPRESSION * torch.log(power + FLOOR))


def _remembering_gru(width: int) -> nn.GRU:
    """A GRU of which half of the units begin with memories of 2 to 200 hops, spread evenly over the logarithm.

    "Chrono" initialisation, Tallec and Ollivier 2018, eq. 17: by default all units remember two hops, 20 ms, and what
    lies further back has no gradient. torch stacks the biases as reset, update, new; the update gate keeps the old
    state where it is near 1.
    """
    gru = nn.GRU(width, width, batch_first=True)
    hops = torch.logspace(math.log10(2.0), math.log10(200.0), width // 2)
    with torch.no_grad():
        bias = dict(gru.named_parameters())["bias_hh_l0"]
        bias[width : width + width // 2] = torch.log(hops - 1 + 1e-3)
    return gru


class FlatCore(nn.Module):
    """Complex `spectrum [B, T, bins]`, `query [B, 64]`, `hint [B, T, 2]`, `state [blocks, B, hidden]` → two logits and
    the next state."""

    def __init__(self, config: FlatConfig) -> None:
        super().__init__()
        self.config = config
        width = config.hidden
        self.shape_in = nn.Linear(config.bins, width)
        self.level_in = nn.Linear(1, width, bias=False)
        self.hint_in = nn.Linear(2, width, bias=False)
        self.norm_in = nn.LayerNorm(width, elementwise_affine=False)
        self.norms = nn.ModuleList(nn.LayerNorm(width, elementwise_affine=False) for _ in range(config.blocks + 1))
        self.film = nn.Linear(config.query, 2 * width * (config.blocks + 1))
        self.grus = nn.ModuleList(_remembering_gru(width) for _ in range(config.blocks))
        self.joins = nn.ModuleList(nn.Linear(width, width) for _ in range(config.blocks))
        self.mask_out = nn.Linear(width, config.bins)
        self.active_out = nn.Linear(width, 1)
        nn.init.normal_(self.film.weight, std=0.3 / config.query**0.5)
        nn.init.zeros_(self.film.bias)

    def features(self, power: Tensor) -> Tensor:
        """`[B, T, hidden]` from `[B, T, bins]`: the compressed spectrum over its mean, and the mean's logarithm.

        Centred before the Linear and normed after it: a common offset in 480 inputs made features six times as large as
        what the GRUs could add to them, and drove their gates into saturation.
        """
        magnitude = compress(power)
        level = magnitude.mean(-1, keepdim=True)
        features: Tensor = self.norm_in(self.shape_in(magnitude / level - 1) + self.level_in(torch.log(level)))
        return features

    def forward(self, spectrum: Tensor, query: Tensor, hint: Tensor, state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mask logits `[B, T, bins]`, activity logits `[B, T]`, next state; sigmoid makes gains and probabilities."""
        return self.heard(spectrum.real.square() + spectrum.imag.square(), query, hint, state)

    def heard(self, power: Tensor, query: Tensor, hint: Tensor, state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As `forward`, for `power [B, T, bins]`."""
        modulation = self.film(query).unsqueeze(1).chunk(2 * len(self.norms), dim=-1)
        hinted = self.hint_in(hint)
        x = self.features(power)
        states = []
        for index, gru in enumerate(self.grus):
            asked = self.norms[index](x) * (1 + modulation[2 * index]) + modulation[2 * index + 1] + hinted
            y, last = gru(asked, state[index : index + 1].contiguous())
            x = x + self.joins[index](y)
            states.append(last)
        out = self.norms[-1](x) * (1 + modulation[-2]) + modulation[-1]
        return self.mask_out(out), self.active_out(out).squeeze(-1), torch.cat(states)
