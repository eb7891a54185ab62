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
from types import NoneType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from export.models.sam_audio.errors import CheckpointError, WrongField

T = TypeVar("T")

_MOST = 10_000_000
_RANGES = {
    "sample_rate": (8_000, 192_000),  # what a bundle's spec takes
    "n_layers": (1, 1_000),  # each is built before its weights are looked for
    "num_hidden_layers": (1, 1_000),
    "nth_text_layer": (0, 1_000),  # 0 is what goes into the first
}
"""Least and largest value of whole numbers by their field; of all others 1 and `_MOST`."""

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
            WrongField: a value of another type than its field's, or outside its range.
            CheckpointError: no such file, no JSON object, or a field that is missing or of a value not built in.
        """
        path = folder / "config.json"
        return cls.from_dict(read_json(path), str(path))

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any], source: str = "config.json") -> SamAudioConfig:
        """As `read`, from what the file holds."""
        transformer = part_of(raw, "transformer", source)
        for name, built_in in _FIXED.items():
            if transformer.get(name, built_in) != built_in:
                raise CheckpointError(
                    f"{source}: transformer.{name} = {transformer[name]!r}; only {built_in!r} is built"
                )
        config = cls(
            **{name: whole_of(raw, name, source) for name in ("in_channels", "num_anchors", "anchor_embedding_dim")},
            audio_codec=sizes_of(CodecConfig, part_of(raw, "audio_codec", source), f"{source}: audio_codec"),
            transformer=sizes_of(TransformerConfig, transformer, f"{source}: transformer"),
            text_encoder=sizes_of(TextConfig, part_of(raw, "text_encoder", source), f"{source}: text_encoder"),
            vision_encoder=sizes_of(VisionConfig, part_of(raw, "vision_encoder", source), f"{source}: vision_encoder"),
        )
        _check(config, transformer, source)
        return config


def _check(config: SamAudioConfig, transformer: Mapping[str, Any], source: str) -> None:
    sizes, codec = config.transformer, config.audio_codec
    rules = {
        # twice: rotary positions turn pairs of a head's channels
        "transformer.dim is a multiple of 2 · transformer.n_heads": sizes.dim % (2 * sizes.n_heads) == 0,
        "transformer.frequency_embedding_dim is even": sizes.frequency_embedding_dim % 2 == 0,
        "transformer.context_dim equals transformer.dim": transformer.get("context_dim", sizes.dim) == sizes.dim,
        "in_channels is 3 · 2 · codebook_dim": config.in_channels == 3 * config.channels,
        "transformer.out_channels is 2 · codebook_dim": sizes.out_channels == config.channels,
        "num_anchors is 3 (null, + and -)": config.num_anchors == 3,
        "decoder_rates and encoder_rates have one product": math.prod(codec.decoder_rates) == codec.hop,
        "decoder_rates are four": len(codec.decoder_rates) == 4,  # the watermark's stages lie between them
        "encoder_rates and decoder_rates are even": not any(r % 2 for r in codec.encoder_rates + codec.decoder_rates),
        "audio_codec.decoder_dim is a multiple of 48": codec.decoder_dim % 48 == 0,
    }
    broken = [rule for rule, holds in rules.items() if not holds]
    if broken:
        raise CheckpointError(f"{source}: does not hold: {'; '.join(broken)}")


def whole_of(raw: Mapping[str, Any], name: str, source: str) -> int:
    """A whole number that must be there.

    Raises:
        CheckpointError: it is missing, of another type, or out of range.
    """
    found: int = judged(f"{source}: {name}", _field(raw, name, source))
    return found


def _field(raw: Mapping[str, Any], name: str, source: str) -> Any:
    if name not in raw:
        raise CheckpointError(f"{source}: no field {name!r}")
    return raw[name]


def part_of(raw: Mapping[str, Any], name: str, source: str) -> Mapping[str, Any]:
    """An object within an object, that must be there.

    Raises:
        CheckpointError: it is missing, or no object.
    """
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
    """A dataclass from those fields of `raw` that it knows; fields without a default must be there.

    Raises:
        WrongField: a value of another type than the field's, or outside its range.
        CheckpointError: a field that is missing, or `raw` is no object.
    """
    if not isinstance(raw, Mapping):
        raise CheckpointError(f"{source} is no object")
    hints, values = get_type_hints(kind), {}
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        if field.name in raw:
            values[field.name] = judged(f"{source}.{field.name}", raw[field.name], hints[field.name])
        elif field.default is dataclasses.MISSING:
            raise CheckpointError(f"{source}: no field {field.name!r}")
    return kind(**values)


def judged(field: str, value: Any, kind: Any = int) -> Any:
    """`value` of the JSON field at the dotted place `field`, as `kind`: int, float, bool, str, a tuple of whole
    numbers (from a list), or one of these or None.

    Raises:
        WrongField: it is of another type, or a number outside the range that `_RANGES` gives its name.
    """
    if NoneType in get_args(kind):
        if value is None:
            return None
        (kind,) = (one for one in get_args(kind) if one is not NoneType)
    if get_origin(kind) is tuple:
        many = get_args(kind)
        fits = isinstance(value, list | tuple) and len(value) > 0 and (... in many or len(value) == len(many))
        if not fits or not all(_is_whole(one, 1, _MOST) for one in value):
            count = "" if ... in many else f"{len(many)} "
            raise WrongField(field, f"a list of {count}whole numbers from 1 to {_MOST}", value)
        return tuple(value)
    low, high = _RANGES.get(field.rpartition(".")[2], (1, _MOST))
    # bool is an int in Python, and no number in JSON
    fits, expected = {
        int: (_is_whole(value, low, high), f"a whole number from {low} to {high}"),
        float: (type(value) in (int, float) and 0 < value < math.inf, "a number above 0"),
        bool: (isinstance(value, bool), "true or false"),
        str: (isinstance(value, str), "a string"),
    }[kind]
    if not fits:
        raise WrongField(field, expected, value)
    return value


def _is_whole(value: Any, low: int, high: int) -> bool:
    return type(value) is int and low <= value <= high
