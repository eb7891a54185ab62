"""The Perception Encoder's picture tower, which turns each frame of a visual prompt into one unit vector.

A vision transformer with a class token, learned positions and two-dimensional rotary ones, pooled by one asking vector.
Its sizes follow from the shapes of the weights; the numbers of heads, which shapes do not tell, from the name in
`config.json`. The text tower beside it in the checkpoints is never read. Only visual prompts load this file's weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from export.models.sam_audio.attention import Rotary, attend, split_heads
from export.models.sam_audio.config import VisionConfig
from export.models.sam_audio.errors import CheckpointError, WrongField

PREFIX = "vision_encoder.model.visual."
HEADS = {"PE-Core-L14-336": (16, 8)}
"""Heads of the blocks and of the pooling, by the tower's name."""


@dataclass(frozen=True, slots=True)
class TowerSizes:
    """Sizes of a picture tower; `grid` patches of `patch` pixels along each side."""

    width: int
    layers: int
    hidden: int
    pool_hidden: int
    patch: int
    grid: int
    features: int
    heads: int
    pool_heads: int

    @classmethod
    def of(
        cls, config: VisionConfig, weights: Mapping[str, Tensor], heads: tuple[int, int] | None = None
    ) -> TowerSizes:
        """What the shapes under `vision_encoder.model.visual.` say; `heads` for a tower not listed above.

        Raises:
            CheckpointError: the checkpoint has no picture tower, one of an unknown name, or one of a width that the
                heads do not divide.
        """
        try:
            width, _, patch, _ = weights[PREFIX + "conv1.weight"].shape
            positions, _ = weights[PREFIX + "positional_embedding"].shape
            hidden = weights[PREFIX + "transformer.resblocks.0.mlp.c_fc.weight"].shape[0]
            pool_hidden = weights[PREFIX + "attn_pool.mlp.c_fc.weight"].shape[0]
            features = weights[PREFIX + "proj"].shape[1]
        except KeyError as error:
            raise CheckpointError(f"no picture tower: {error.args[0]} is missing") from error
        except ValueError as error:  # from taking a shape apart
            raise CheckpointError(f"no picture tower: weights under {PREFIX} have another number of axes") from error
        found = heads or config.heads or HEADS.get(config.name)
        if found is None:
            raise CheckpointError(
                f"vision_encoder.name: the heads of {config.name!r} are not known, only {list(HEADS)}"
            )
        blocks = PREFIX + "transformer.resblocks."
        if width % (4 * found[0]) or width % found[1]:  # rotary positions turn pairs, by column and by row
            expected = f"numbers that divide the width {width} (the first into multiples of 4)"
            raise WrongField("vision_encoder.heads", expected, list(found))
        layers = len({name[len(blocks) :].split(".")[0] for name in weights if name.startswith(blocks)})
        grid = round((positions - 1) ** 0.5)
        return cls(width, layers, hidden, pool_hidden, patch, grid, features, *found)


class _Attention(nn.Module):
    """Names and packing of `torch.nn.MultiheadAttention`: one matrix for queries, keys and values."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.randn(3 * width, width) / width**0.5)
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)

    def forward(self, asking: Tensor, told: Tensor, rotary: Rotary | None = None) -> Tensor:
        """`asking [B, Q, W]`, `told [B, S, W]` → `[B, Q, W]`."""
        weights, biases = self.in_proj_weight.chunk(3), self.in_proj_bias.chunk(3)
        query, key, value = (
            split_heads(functional.linear(x, weight, bias), self.heads, "heads first")
            for x, weight, bias in zip((asking, told, told), weights, biases, strict=True)
        )
        if rotary:
            query, key = rotary.turned(query), rotary.turned(key)
        out: Tensor = self.out_proj(attend(query, key, value, None))
        return out


class _Mlp(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.c_fc, self.c_proj = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """`[…, width]` → the same, GELU between."""
        out: Tensor = self.c_proj(functional.gelu(self.c_fc(x)))
        return out


class _Block(nn.Module):
    def __init__(self, sizes: TowerSizes) -> None:
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(sizes.width), nn.LayerNorm(sizes.width)
        self.attn = _Attention(sizes.width, sizes.heads)
        self.mlp = _Mlp(sizes.width, sizes.hidden)

    def forward(self, x: Tensor, rotary: Rotary) -> Tensor:
        """`[B, 1 + patches, W]` → the same."""
        asked = self.ln_1(x)
        x = x + self.attn(asked, asked, rotary)
        out: Tensor = x + self.mlp(self.ln_2(x))
        return out


class _Pool(nn.Module):
    """One learned vector asks all tokens; `[B, S, W]` → `[B, W]`."""

    def __init__(self, sizes: TowerSizes) -> None:
        super().__init__()
        self.probe = nn.Parameter(torch.randn(1, 1, sizes.width))
        self.attn = _Attention(sizes.width, sizes.pool_heads)
        self.layernorm = nn.LayerNorm(sizes.width)
        self.mlp = _Mlp(sizes.width, sizes.pool_hidden)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        heard = self.attn(self.probe.expand(x.shape[0], -1, -1), x)
        out: Tensor = (heard + self.mlp(self.layernorm(heard)))[:, 0]
        return out


class PictureTower(nn.Module):
    """`[B, 3, side, side]` of -1 … 1 → `[B, features]`."""

    def __init__(self, sizes: TowerSizes) -> None:
        super().__init__()
        self.sizes = sizes
        width = sizes.width
        self.conv1 = nn.Conv2d(3, width, sizes.patch, sizes.patch, bias=False)
        self.class_embedding = nn.Parameter(torch.randn(width))
        self.positional_embedding = nn.Parameter(torch.randn(1 + sizes.grid**2, width))
        self.ln_pre, self.ln_post = nn.LayerNorm(width), nn.LayerNorm(width)
        blocks = nn.ModuleList(_Block(sizes) for _ in range(sizes.layers))
        self.transformer = nn.ModuleDict({"resblocks": blocks})
        self.attn_pool = _Pool(sizes)
        self.proj = nn.Parameter(torch.randn(width, sizes.features))

    def forward(self, pictures: Tensor) -> Tensor:
        """See the class."""
        patches = self.conv1(pictures).flatten(2).transpose(1, 2)
        x = torch.cat([self.class_embedding.expand(pictures.shape[0], 1, -1), patches], 1) + self.positional_embedding
        x = self.ln_pre(x)
        rotary = _grid_rotary(self.sizes.grid, self.sizes.width // self.sizes.heads, x)
        for block in self.transformer["resblocks"]:  # type: ignore[attr-defined]
            x = block(x, rotary)
        out: Tensor = self.attn_pool(self.ln_post(x)) @ self.proj
        return out

    @torch.no_grad()
    def features(self, pictures: Tensor, batch: int = 300, normalize: bool = True) -> Tensor:
        """`[N, 3, height, width]`, uint8 → `[N, features]`, of unit length if `normalize`."""
        side = self.sizes.grid * self.sizes.patch
        pieces = []
        for few in pictures.split(batch):
            seen = self(to_square(few.to(self.proj.device), side).type_as(self.proj))
            pieces.append(functional.normalize(seen, dim=-1) if normalize else seen)
        return torch.cat(pieces)


def to_square(pictures: Tensor, side: int) -> Tensor:
    """uint8 pictures of any size, squeezed to `side × side` (bicubic, antialiased) and scaled to -1 … 1."""
    wide = pictures.float()
    if wide.shape[-2:] != (side, side):
        wide = functional.interpolate(wide, (side, side), mode="bicubic", antialias=True).round().clamp(0, 255)
    return wide / 127.5 - 1


def _grid_rotary(grid: int, head_dim: int, like: Tensor) -> Rotary:
    """Half a head's pairs turn by the column, half by the row; both count from 1, and the class token stands at 0."""
    half = head_dim // 2
    frequency = 10_000.0 ** (-torch.arange(0, half, 2, device=like.device, dtype=torch.float32) / half)
    place = torch.arange(grid, device=like.device, dtype=torch.float32) + 1
    row, column = torch.meshgrid(place, place, indexing="ij")
    angle = torch.cat([column.reshape(-1, 1) * frequency, row.reshape(-1, 1) * frequency], -1)
    angle = functional.pad(angle, (0, 0, 1, 0))
    return Rotary(angle.cos(), angle.sin())
