"""The transformer over latent frames that the span predictor and the judge share (PE-A-Frame's).

A class token before the frames, a residual convolution block, then pre-norm layers of rotary attention and gated MLP.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from export.models.sam_audio.attention import RmsNorm, Rotary, attend, split_heads
from export.models.sam_audio.config import sizes_of
from export.models.sam_audio.errors import WrongField


@dataclass(frozen=True, slots=True)
class FrameTransformerConfig:
    """Sizes, with the names of the files they come from."""

    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    max_position_embeddings: int = 10_000
    rms_norm_eps: float = 1e-5
    head_dim: int = 0

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any], source: str = "config.json") -> FrameTransformerConfig:
        """From a dictionary of a `config.json`; `source` says in errors which.

        Raises:
            CheckpointError: a size is missing, of another type or out of range.
        """
        sizes = sizes_of(cls, {name: value for name, value in raw.items() if value is not None}, source)
        if sizes.head_width % 2 or sizes.head_width == 0:
            raise WrongField(f"{source}: channels of a head", "an even number", sizes.head_width)
        return sizes

    @property
    def head_width(self) -> int:
        """Channels of a head."""
        return self.head_dim or self.hidden_size // self.num_attention_heads


class _MaskedNormConv(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.groupnorm = nn.GroupNorm(1, width)
        self.project = nn.Conv1d(width, width, 3, padding=1)

    def forward(self, x: Tensor, keep: Tensor | None) -> Tensor:
        """`[B, C, T]` → the same; mean and variance over the frames to keep alone."""
        norm = self.groupnorm
        if keep is None:
            normed = norm(x)
        else:
            kept = keep[:, None].type_as(x)
            count = kept.sum((1, 2), keepdim=True) * x.shape[1]
            mean = (x * kept).sum((1, 2), keepdim=True) / count
            variance = ((x - mean).square() * kept).sum((1, 2), keepdim=True) / count
            normed = (x - mean) * torch.rsqrt(variance + norm.eps) * norm.weight[:, None] + norm.bias[:, None]
            normed = normed * kept
        out: Tensor = self.project(functional.silu(normed))
        return out


class _Embeddings(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.randn(1, 1, width))
        self.resnet_block = nn.ModuleDict({"block1": _MaskedNormConv(width), "block2": _MaskedNormConv(width)})

    def forward(self, x: Tensor, keep: Tensor | None) -> Tensor:
        """`[B, T, C]` → `[B, 1 + T, C]`."""
        x = torch.cat([self.cls_token.expand(x.shape[0], -1, -1), x], 1).transpose(1, 2)
        block = self.resnet_block
        return (x + block["block2"](block["block1"](x, keep), keep)).transpose(1, 2)


class _Attention(nn.Module):
    def __init__(self, config: FrameTransformerConfig) -> None:
        super().__init__()
        width, inner = config.hidden_size, config.num_attention_heads * config.head_width
        self.heads = config.num_attention_heads
        self.q_proj, self.k_proj, self.v_proj = (nn.Linear(width, inner, bias=False) for _ in range(3))
        self.o_proj = nn.Linear(inner, width, bias=False)
        self.q_norm, self.k_norm = (RmsNorm(config.head_width, config.rms_norm_eps) for _ in range(2))

    def forward(self, x: Tensor, rotary: Rotary, keep: Tensor | None) -> Tensor:
        """`[B, T, C]` → the same."""
        query, key, value = (
            split_heads(proj(x), self.heads, "heads first") for proj in (self.q_proj, self.k_proj, self.v_proj)
        )
        heard = attend(rotary.turned(self.q_norm(query)), rotary.turned(self.k_norm(key)), value, keep)
        out: Tensor = self.o_proj(heard)
        return out


class _Mlp(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.gate_proj, self.up_proj = (nn.Linear(width, hidden, bias=False) for _ in range(2))
        self.down_proj = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """`[…, C]` → the same."""
        out: Tensor = self.down_proj(functional.silu(self.gate_proj(x)) * self.up_proj(x))
        return out


class _Layer(nn.Module):
    def __init__(self, config: FrameTransformerConfig) -> None:
        super().__init__()
        width, eps = config.hidden_size, config.rms_norm_eps
        self.input_layernorm, self.post_attention_layernorm = RmsNorm(width, eps), RmsNorm(width, eps)
        self.self_attn = _Attention(config)
        self.mlp = _Mlp(width, config.intermediate_size)

    def forward(self, x: Tensor, rotary: Rotary, keep: Tensor | None) -> Tensor:
        """`[B, T, C]` → the same."""
        x = x + self.self_attn(self.input_layernorm(x), rotary, keep)
        out: Tensor = x + self.mlp(self.post_attention_layernorm(x))
        return out


class FrameTransformer(nn.Module):
    """`[B, T, C]`, `keep [B, T]` → `[B, T, C]`: the frames; the class token's place is dropped."""

    def __init__(self, config: FrameTransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.embeddings = _Embeddings(config.hidden_size)
        self.layers = nn.ModuleList(_Layer(config) for _ in range(config.num_hidden_layers))
        self.norm = RmsNorm(config.hidden_size, config.rms_norm_eps)
        self.output = nn.Linear(config.hidden_size, config.hidden_size, bias=False)

    def forward(self, x: Tensor, keep: Tensor | None = None) -> Tensor:
        """See the class."""
        keep = None if keep is None else torch.cat([keep[:, :1], keep], 1)
        x = self.embeddings(x, keep)
        rotary = Rotary.over(x.shape[1], self.config.head_width, self.config.max_position_embeddings, x)
        for layer in self.layers:
            x = layer(x, rotary, keep)
        out: Tensor = self.output(self.norm(x))[:, 1:]
        return out
