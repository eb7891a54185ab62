"""SAM Audio at its released sizes with random weights: what the benchmark measures, and what an evaluation must cost.

The sizes are counted from parameter totals (`export/models/sam_audio`), not read from a released `config.json`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from export.models.sam_audio.codec import Codec
from export.models.sam_audio.config import (
    CodecConfig,
    SamAudioConfig,
    TextConfig,
    TransformerConfig,
    VisionConfig,
)
from export.models.sam_audio.velocity import VelocityField
from export.models.sam_audio.weight_norm import WeightNormConv, WeightNormUpsampling, fold_weight_norm

RELEASED = {"small": (1536, 12, 12), "base": (2048, 16, 16), "large": (2816, 22, 22)}
"""Name → width, heads, layers."""
SOUND_RMS = 0.2

_CODEC = CodecConfig(64, (2, 8, 10, 12), 1024, 1536, (12, 10, 8, 2), 128, 48_000)
_TINY_CODEC = CodecConfig(4, (2, 8, 10, 12), 24, 96, (12, 10, 8, 2), 6, 48_000)


def config_of(name: str) -> SamAudioConfig:
    """`small`, `base`, `large`, or `tiny` (no released size: for trying the benchmark out)."""
    tiny = name == "tiny"
    dim, heads, layers = (48, 3, 1) if tiny else RELEASED[name]
    codec = _TINY_CODEC if tiny else _CODEC
    channels = 2 * codec.codebook_dim
    return SamAudioConfig(
        in_channels=3 * channels,
        num_anchors=3,
        anchor_embedding_dim=10 if tiny else 128,
        audio_codec=codec,
        transformer=TransformerConfig(dim, heads, layers, channels),
        text_encoder=TextConfig(24 if tiny else 768),
        vision_encoder=VisionConfig(20 if tiny else 1024, "none"),
    )


def random_field(config: SamAudioConfig, device: str = "cpu", dtype: torch.dtype = torch.float32) -> VelocityField:
    """A velocity field that no branch is shut off in."""
    torch.manual_seed(0)
    with torch.device(device):
        field = VelocityField(config)
    with torch.no_grad():
        field.align_masked_video.gate.fill_(0.6)
        field.embed_anchors.gate.fill_(0.6)
    return field.to(dtype).eval().requires_grad_(False)


def random_codec(config: SamAudioConfig, device: str = "cpu") -> Codec:
    """`random_weight_norm_codec` with weight norm folded, as it is exported."""
    codec = random_weight_norm_codec(config, device)
    fold_weight_norm(codec)
    return codec.requires_grad_(False)


def random_weight_norm_codec(config: SamAudioConfig, device: str = "cpu") -> Codec:
    """A codec in float32, each convolution shifted and scaled to outputs without an offset and of unit power, the last
    to sound about 14 dB under full scale: left to themselves random ones grow, and with the offsets that Snake adds,
    until the sound is nothing but clipping. (The start that Salimans and Kingma give weight norm, 2016.)"""
    torch.manual_seed(0)
    with torch.device(device):
        codec = Codec(config.audio_codec)
    codec.eval().requires_grad_(False)
    convolutions = [module for module in codec.modules() if isinstance(module, WeightNormConv | WeightNormUpsampling)]
    hooks = [convolution.register_forward_hook(_to_unit_power) for convolution in convolutions]
    codec(torch.randn((1, 1, 8 * config.audio_codec.hop), device=device))
    for hook in hooks:
        hook.remove()
    last = convolutions[-1]
    last.weight_g.mul_(SOUND_RMS)
    last.bias.mul_(SOUND_RMS)
    return codec


def _to_unit_power(module: nn.Module, _inputs: object, out: torch.Tensor) -> torch.Tensor:
    assert isinstance(module, WeightNormConv | WeightNormUpsampling), "hooked to nothing else"
    offset = out.mean((0, 2))
    centred = out - offset[:, None]
    scale = centred.square().mean().sqrt()
    module.weight_g.div_(scale)  # a weight's direction does not make it larger
    module.bias.sub_(offset).div_(scale)
    return centred / scale


@dataclass(frozen=True, slots=True)
class Floor:
    """What one evaluation cannot go below: its multiplications, and reading its weights once."""

    flops: float
    weight_bytes: float

    def milliseconds(self, flops_per_s: float, bytes_per_s: float) -> float:
        """The larger of both times on a device of these peaks."""
        return 1e3 * max(self.flops / flops_per_s, self.weight_bytes / bytes_per_s)


def floor_of(config: SamAudioConfig, batch: int, frames: int, tokens: int, bytes_per_weight: int) -> Floor:
    """Two operations for each weight and frame, and attention's two products over all pairs of frames and tokens."""
    sizes = config.transformer
    dim = sizes.dim
    layer = 6 * dim * dim + 3 * dim * sizes.hidden  # self: q k v o, cross: q o (k, v once per prompt), gated MLP
    per_frame = sizes.n_layers * layer + 2 * 3 * dim * dim  # and two convolutions of three taps
    per_frame += dim * (config.channels + config.audio_codec.codebook_dim * 2 + config.vision_encoder.dim)
    per_frame += dim * config.channels
    attention = 4 * sizes.n_layers * dim * frames * (frames + tokens)
    return Floor(batch * (2 * per_frame * frames + attention), per_frame * bytes_per_weight)
