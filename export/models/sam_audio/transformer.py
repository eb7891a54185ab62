"""The diffusion transformer: frames and a time in, velocities out.

Queries of cross-attention are the un-normalised stream; it has neither gate nor rotary positions. What depends on the
prompt and the time but not on the frames (`memory`: keys and values of every layer) is a call of its own, so that a
solver with fixed times computes it once per prompt. Key names: `transformer.*` of the released checkpoints.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from export.models.sam_audio.attention import DitAttention, GatedMlp, RmsNorm, Rotary
from export.models.sam_audio.codec import Watch
from export.models.sam_audio.config import TransformerConfig


class Memory(NamedTuple):
    """Keys and values of cross-attention at one time, `[layers, B, heads, S, head_dim]`, and which are true tokens
    (`[B, S]`, or None: all)."""

    keys: Tensor
    values: Tensor
    keep: Tensor | None


class Times(NamedTuple):
    """What a time does to every frame: `modulation [B, 6, D]` in the layers, `final [B, D]` after them."""

    modulation: Tensor
    final: Tensor


def sinusoids(t: Tensor, width: int) -> Tensor:
    """`[cos t f | sin t f]`, `f_j = 10000^(-j / (width / 2))`; `t [B]` in 0 … 1 → `[B, width]`."""
    half = width // 2
    frequency = torch.exp(torch.arange(half, device=t.device, dtype=torch.float32) * (-math.log(10_000) / half))
    angle = t.float()[:, None] * frequency
    return torch.cat([angle.cos(), angle.sin()], -1)


class _NormConv(nn.Module):
    """`conv3(silu(group_norm(x)))`, one group over channels and time (padded frames included); `[B, C, T]`."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.groupnorm = nn.GroupNorm(1, width)
        self.project = nn.Conv1d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        out: Tensor = self.project(functional.silu(self.groupnorm(x)))
        return out


class _FrameEmbedder(nn.Module):
    """A residual block of two such convolutions; `[B, T, D]` → the same."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.block = nn.ModuleDict({"block1": _NormConv(width), "block2": _NormConv(width)})

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        channels_first = x.transpose(1, 2)
        out: Tensor = (channels_first + self.block["block2"](self.block["block1"](channels_first))).transpose(1, 2)
        return out


class _Embedder(nn.Module):
    """A gated MLP under the name `projection`."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.projection = GatedMlp(inputs, width, width)

    def forward(self, x: Tensor) -> Tensor:
        """`[…, inputs]` → `[…, width]`."""
        out: Tensor = self.projection(x)
        return out


class Layer(nn.Module):
    """Self-attention and MLP with shift, scale and gate from the time; cross-attention between them with none."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        dim, eps = config.dim, config.norm_eps
        self.attention = DitAttention(dim, config.n_heads, eps)
        self.cross_attention = DitAttention(dim, config.n_heads, eps)
        self.feed_forward = GatedMlp(dim, config.hidden, dim)
        self.attention_norm, self.ffn_norm = RmsNorm(dim, eps), RmsNorm(dim, eps)
        self.scale_shift_table = nn.Parameter(torch.randn(6, dim) / dim**0.5)

    def forward(
        self, x: Tensor, modulation: Tensor, memory: Memory, keep: Tensor | None, rotary: Rotary, watch: Watch | None
    ) -> Tensor:
        """`x [B, T, D]`, `modulation [B, 6, D]`, the memory of this layer alone (`[B, heads, S, head_dim]`)."""
        rows = (self.scale_shift_table + modulation).unbind(1)
        shift_a, scale_a, gate_a, shift_f, scale_f, gate_f = (row[:, None] for row in rows)
        asked = self.attention_norm(x) * (1 + scale_a) + shift_a
        heard = self.attention(asked, *self.attention.keys_values(asked, rotary), keep, rotary)
        x = x + gate_a * heard
        read = self.cross_attention(x, memory.keys, memory.values, memory.keep)
        x = x + read
        made = self.feed_forward(self.ffn_norm(x) * (1 + scale_f) + shift_f)
        if watch:
            watch("attention", heard)
            watch("cross_attention", read)
            watch("feed_forward", made)
        return x + gate_f * made


class DiffusionTransformer(nn.Module):
    """See the file."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        dim = config.dim
        self.x_embedder = _FrameEmbedder(dim)
        self.y_embedder = _Embedder(dim, dim)
        self.t_embedder = _Embedder(config.frequency_embedding_dim, dim)
        self.t_block = nn.Linear(dim, 6 * dim)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.n_layers))
        self.norm = RmsNorm(dim, config.norm_eps)
        self.final_layer_scale_shift_table = nn.Parameter(torch.randn(2, dim) / dim**0.5)
        self.output = nn.Linear(dim, config.out_channels, bias=False)

    def memory(self, tokens: Tensor, keep: Tensor | None, watch: Watch | None = None) -> Memory:
        """Keys and values of every layer for `tokens [B, S, D]` at one time."""
        told = self.y_embedder(tokens)
        if watch:
            watch("y_embedder", told)
        pairs = [layer.cross_attention.keys_values(told) for layer in self.layers]  # type: ignore[union-attr, operator]
        return Memory(torch.stack([key for key, _ in pairs]), torch.stack([value for _, value in pairs]), keep)

    def times(self, t: Tensor) -> Times:
        """What `t [B]` does to every frame."""
        vector = self.t_embedder(sinusoids(t, self.config.frequency_embedding_dim).type_as(self.t_block.weight))
        return Times(self.t_block(functional.silu(vector)).unflatten(-1, (6, -1)), vector)

    def forward(
        self, frames: Tensor, times: Times, memory: Memory, keep: Tensor | None = None, watch: Watch | None = None
    ) -> Tensor:
        """`frames [B, T, D]`, `keep [B, T]` true where a frame is no padding → `[B, T, out_channels]`."""
        x = self.x_embedder(frames)
        if watch:
            watch("x_embedder", x.transpose(1, 2))
            watch("t_embedder", times.final)
            watch("t_block", times.modulation.flatten(1))
        rotary = Rotary.over(x.shape[1], self.config.head_dim, self.config.max_positions, x)
        for number, layer in enumerate(self.layers):
            own = Memory(memory.keys[number], memory.values[number], memory.keep)
            told = _named(watch, f"layer{number}.")
            x = layer(x, times.modulation, own, keep, rotary, told)
            if watch:
                watch(f"layer{number}", x)
        normed = self.norm(x)
        if watch:
            watch("norm", normed)
        shift, scale = (row[:, None] for row in (self.final_layer_scale_shift_table + times.final[:, None]).unbind(1))
        out: Tensor = self.output(normed * (1 + scale) + shift)
        return out


def _named(watch: Watch | None, prefix: str) -> Watch | None:
    if watch is None:
        return None
    told = watch
    return lambda name, value: told(prefix + name, value)
