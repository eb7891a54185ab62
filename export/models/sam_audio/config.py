"""Sizes of a SAM Audio checkpoint, read from its `config.json`.

What only names a file or a service (rankers, the span predictor) is tolerated and left alone. A switch that the
released models never turn is refused by name rather than computed wrongly.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from export.models.sam_audio.errors import CheckpointError

T = TypeVar("T")

_FIXED = {
    "qk_norm": True,
    "fc_bias": False,
    "use_rope": True,
    "context_norm": False,
    "t_block_bias": True,
    "non_linearity": "swiglu",
    "timestep_non_linearity": "swiglu",
    "context_non_linearity": "swiglu",
    "t_block_non_linearity": "silu",
    "in_channels": None,
}
"""Switches of `transformer` that have one value in every released model, and that this implementation builds in."""


@dataclass(frozen=True, slots=True)
class CodecConfig:
    """The codec's sizes: `audio_codec` in the file."""

    encoder_dim: int
    encoder_rates: tuple[int, ...]
    latent_dim: int
    decoder_dim: int
    decoder_rates: tuple[int, ...]
    codebook_dim: int
    sample_rate: int

    @property
    def hop(self) -> int:
        """Samples in a latent frame: 1920 in the released models."""
        return math.prod(self.encoder_rates)


@dataclass(frozen=True, slots=True)
class TransformerConfig:
    """The diffusion transformer's sizes: `transformer` in the file."""

    dim: int
    n_heads: int
    n_layers: int
    out_channels: int
    norm_eps: float = 1e-5
    ffn_exp: float = 4
    ffn_dim_multiplier: float = 1
    multiple_of: int = 64
    max_positions: int = 10_000
    frequency_embedding_dim: int = 256

    @property
    def head_dim(self) -> int:
        """Channels of one attention head."""
        return self.dim // self.n_heads

    @property
    def hidden(self) -> int:
        """Width inside the gated MLP: 2/3 of `ffn_exp · dim` (three matrices for two), rounded up."""
        wide = int(self.ffn_dim_multiplier * int(2 * self.ffn_exp * self.dim / 3))
        return -(-wide // self.multiple_of) * self.multiple_of


@dataclass(frozen=True, slots=True)
class TextConfig:
    """The text encoder's name and sizes: `text_encoder` in the file; its weights lie in a folder of their own."""

    dim: int
    name: str = "t5-base"
    max_length: int = 512


@dataclass(frozen=True, slots=True)
class VisionConfig:
    """What the file says of the vision encoder: `vision_encoder`; its inner sizes follow from the weights, the numbers
    of heads of blocks and pooling (which released files do not hold) from its name where `heads` does not say them."""

    dim: int
    name: str
    image_size: int = 336
    batch_size: int = 300
    normalize_feature: bool = True
    heads: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class SamAudioConfig:
    """One checkpoint. `in_channels` is three times the latent channels: noisy, unused, mixture."""

    in_channels: int
    num_anchors: int
    anchor_embedding_dim: int
    audio_codec: CodecConfig
    transformer: TransformerConfig
    text_encoder: TextConfig
    vision_encoder: VisionConfig

    @property
    def channels(self) -> int:
        """Latent channels of target and residual together."""
        return 2 * self.audio_codec.codebook_dim

    @classmethod
    def read(cls, folder: Path) -> SamAudioConfig:
        """The `config.json` of a checkpoint folder.

        Raises:
            CheckpointError: no such file, no JSON object, or a field that is missing or of a value not built in.
        """
        path = folder / "config.json"
        return cls.from_dict(read_json(path), str(path))

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any], source: str = "config.json") -> SamAudioConfig:
        """As `read`, from what the file holds."""
        transformer = _part(raw, "transformer", source)
        for name, built_in in _FIXED.items():
            if transformer.get(name, built_in) != built_in:
                raise CheckpointError(
                    f"{source}: transformer.{name} = {transformer[name]!r}; only {built_in!r} is built"
                )
        config = cls(
            in_channels=_field(raw, "in_channels", source),
            num_anchors=_field(raw, "num_anchors", source),
            anchor_embedding_dim=_field(raw, "anchor_embedding_dim", source),
            audio_codec=sizes_of(CodecConfig, _part(raw, "audio_codec", source), f"{source}: audio_codec"),
            transformer=sizes_of(TransformerConfig, transformer, f"{source}: transformer"),
            text_encoder=sizes_of(TextConfig, _part(raw, "text_encoder", source), f"{source}: text_encoder"),
            vision_encoder=sizes_of(VisionConfig, _part(raw, "vision_encoder", source), f"{source}: vision_encoder"),
        )
        _check(config, transformer, source)
        return config


def _check(config: SamAudioConfig, transformer: Mapping[str, Any], source: str) -> None:
    sizes, codec = config.transformer, config.audio_codec
    rules = {
        "transformer.dim is a multiple of transformer.n_heads": sizes.dim % sizes.n_heads == 0,
        "transformer.context_dim equals transformer.dim": transformer.get("context_dim", sizes.dim) == sizes.dim,
        "in_channels is 3 · 2 · codebook_dim": config.in_channels == 3 * config.channels,
        "transformer.out_channels is 2 · codebook_dim": sizes.out_channels == config.channels,
        "decoder_rates and encoder_rates have one product": math.prod(codec.decoder_rates) == codec.hop,
        "audio_codec.decoder_dim is a multiple of 48": codec.decoder_dim % 48 == 0,
    }
    broken = [rule for rule, holds in rules.items() if not holds]
    if broken:
        raise CheckpointError(f"{source}: does not hold: {'; '.join(broken)}")


def _field(raw: Mapping[str, Any], name: str, source: str) -> Any:
    if name not in raw:
        raise CheckpointError(f"{source}: no field {name!r}")
    return raw[name]


def _part(raw: Mapping[str, Any], name: str, source: str) -> Mapping[str, Any]:
    part = _field(raw, name, source)
    if not isinstance(part, dict):
        raise CheckpointError(f"{source}: {name} is no object")
    return part


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        CheckpointError: no such file, or no JSON object in it.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: {error}") from error
    if not isinstance(raw, dict):
        raise CheckpointError(f"{path}: expected a JSON object")
    return raw


def sizes_of(kind: type[T], raw: Mapping[str, Any], source: str) -> T:
    """A dataclass from those fields of `raw` that it knows; fields without a default must be there."""
    values = {}
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        if field.name in raw:
            value = raw[field.name]
            values[field.name] = tuple(value) if isinstance(value, list) else value
        elif field.default is dataclasses.MISSING:
            raise CheckpointError(f"{source}: no field {field.name!r}")
    return kind(**values)
