"""RMSNorm, rotary positions, gated MLP and attention, as all transformers here use them."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

Layout = Literal["heads first", "heads last"]
"""How projected channels are dealt to heads: `heads first` c = head · head_dim + i (the usual one), `heads last`
c = i · heads + head (SAM Audio's, on the way in alone)."""


class RmsNorm(nn.Module):
    """`x / sqrt(mean x² + eps) · weight` over the last axis, in float32 (Zhang and Sennrich 2019)."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """`[…, width]` → the same."""
        wide = x.float()
        normed = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + self.eps)
        return (normed * self.weight.float()).type_as(x)


class GatedMlp(nn.Module):
    """`w2(silu(w1 x) · w3 x)` (Shazeer 2020), no biases; `[…, inputs]` → `[…, outputs]`."""

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.w1 = nn.Linear(inputs, hidden, bias=False)
        self.w2 = nn.Linear(hidden, outputs, bias=False)
        self.w3 = nn.Linear(inputs, hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        out: Tensor = self.w2(functional.silu(self.w1(x)) * self.w3(x))
        return out


class Rotary:
    """Cosines and sines `[T, head_dim / 2]` for positions 0 … T-1 (Su et al. 2021)."""

    def __init__(self, cos: Tensor, sin: Tensor) -> None:
        self.cos, self.sin = cos, sin

    @classmethod
    def over(cls, length: int, head_dim: int, max_positions: int, like: Tensor) -> Rotary:
        """The base is 20000 for the released 10000 positions."""
        base = float(max(10_000, 2 * max_positions))
        pair = torch.arange(0, head_dim, 2, device=like.device, dtype=torch.float32)
        angle = torch.arange(length, device=like.device, dtype=torch.float32)[:, None] * base ** (-pair / head_dim)
        return cls(angle.cos(), angle.sin())

    def turned(self, x: Tensor) -> Tensor:
        """`[B, heads, T, head_dim]` with each adjacent pair of channels turned by its position's angle."""
        even, odd = x.float().unflatten(-1, (-1, 2)).unbind(-1)
        turned = torch.stack((even * self.cos - odd * self.sin, even * self.sin + odd * self.cos), -1)
        return turned.flatten(-2).type_as(x)


def split_heads(x: Tensor, heads: int, layout: Layout) -> Tensor:
    """`[B, T, C]` → `[B, heads, T, C / heads]`."""
    if layout == "heads first":
        return x.unflatten(-1, (heads, -1)).transpose(1, 2)
    return x.unflatten(-1, (-1, heads)).permute(0, 3, 1, 2)


def attend(query: Tensor, key: Tensor, value: Tensor, keep: Tensor | None) -> Tensor:
    """Softmax attention over `[B, heads, T, head_dim]`, `keep [B, T]` true where a key may be heard → `[B, T, C]`."""
    mask = None if keep is None else keep[:, None, None, :]
    heard = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    return heard.transpose(1, 2).flatten(2)


class DitAttention(nn.Module):
    """The diffusion transformer's attention: norms on queries and keys, heads dealt last on the way in."""

    def __init__(self, dim: int, heads: int, eps: float) -> None:
        super().__init__()
        self.heads = heads
        self.wq, self.wk, self.wv, self.wo = (nn.Linear(dim, dim, bias=False) for _ in range(4))
        self.q_norm, self.k_norm = RmsNorm(dim // heads, eps), RmsNorm(dim // heads, eps)

    def keys_values(self, x: Tensor, rotary: Rotary | None = None) -> tuple[Tensor, Tensor]:
        """`[B, S, D]` → keys and values `[B, heads, S, head_dim]`."""
        key = self.k_norm(split_heads(self.wk(x), self.heads, "heads last"))
        value = split_heads(self.wv(x), self.heads, "heads last")
        return (rotary.turned(key) if rotary else key), value

    def forward(
        self, x: Tensor, key: Tensor, value: Tensor, keep: Tensor | None, rotary: Rotary | None = None
    ) -> Tensor:
        """What the queries of `x [B, T, D]` hear, `[B, T, D]`."""
        query = self.q_norm(split_heads(self.wq(x), self.heads, "heads last"))
        query = rotary.turned(query) if rotary else query
        out: Tensor = self.wo(attend(query, key, value, keep))
        return out
