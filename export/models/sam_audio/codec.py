"""DACVAE, the codec whose latents SAM Audio separates: mono audio at 48 kHz ↔ 25 frames a second.

The encoder is deterministic: of the bottleneck's mean and spread the mean alone is used, unscaled. Sizes and key names
are those of the released checkpoints (`audio_codec.*`); the watermark in the decoder has its own file.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from export.models.sam_audio.config import CodecConfig
from export.models.sam_audio.watermark import Watermark, WatermarkBlock
from export.models.sam_audio.weight_norm import ResidualUnit, Snake, WeightNormConv, WeightNormUpsampling

ENCODER_CONTEXT, DECODER_CONTEXT = 6, 8
"""Frames of true context on each side with which a piece comes out as it would from the whole (receptive fields of 5.2
and 7.2 frames, measured)."""

WATERMARK_RATES = (8, 5, 4, 2)
DILATIONS = (1, 3, 9)

Watch = Callable[[str, Tensor], None]
"""Told the name and the value of each stage: how a difference is found by bisection."""


class Encoder(nn.Module):
    """`[B, 1, hop · T]` → `[B, latent_dim, T]`."""

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        width = config.encoder_dim
        stages: list[nn.Module] = [WeightNormConv(1, width, 7, padding=3)]
        for rate in config.encoder_rates:
            stages.append(_EncoderStage(width, rate))
            width *= 2
        stages += [Snake(width), WeightNormConv(width, config.latent_dim, 3, padding=1)]
        self.block = nn.ModuleList(stages)

    def forward(self, wave: Tensor, watch: Watch | None = None) -> Tensor:
        """See the class."""
        x = wave
        for number, stage in enumerate(self.block):
            x = stage(x)
            if watch:
                watch(f"block{number}", x)
        return x


class _EncoderStage(nn.Module):
    """Three residual units, then half the rate's kernel down: `[B, C, rate · T]` → `[B, 2 C, T]`."""

    def __init__(self, width: int, rate: int) -> None:
        super().__init__()
        units = [ResidualUnit(width, dilation) for dilation in DILATIONS]
        down = WeightNormConv(width, 2 * width, 2 * rate, stride=rate, padding=rate // 2)
        self.block = nn.Sequential(*units, Snake(width), down)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        out: Tensor = self.block(x)
        return out


class DecoderStage(nn.Module):
    """`[B, C, T]` → `[B, C/2, rate · T]`; the watermark's modules of the same stage lie between its own (their numbers
    are the released names)."""

    def __init__(self, inputs: int, outputs: int, rate: int, marks: WatermarkBlock) -> None:
        super().__init__()
        units = [ResidualUnit(outputs, dilation) for dilation in DILATIONS]
        own = {0: Snake(inputs), 1: WeightNormUpsampling(inputs, outputs, rate), 4: units[0], 5: units[1], 8: units[2]}
        theirs = {3: marks.up, 6: marks.after_up, 7: marks.before_down, 11: marks.down}
        self.block = nn.ModuleDict({str(number): module for number, module in sorted({**own, **theirs}.items())})

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        for number in ("0", "1", "4", "5", "8"):
            x = self.block[number](x)
        return x

    def marks(self) -> WatermarkBlock:
        """The watermark's modules."""
        block = self.block
        return WatermarkBlock(block["3"], block["6"], block["7"], block["11"])


class Decoder(nn.Module):
    """`[B, latent_dim, T]` → `[B, 1, hop · T]`, without or with a watermark."""

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        widths = [config.decoder_dim >> k for k in range(len(config.decoder_rates) + 1)]
        mark_width = config.decoder_dim // 3
        stages: list[nn.Module] = [WeightNormConv(config.latent_dim, widths[0], 7, padding=3)]
        for (inputs, outputs), rate, mark_rate in zip(
            pairwise(widths), config.decoder_rates, WATERMARK_RATES, strict=True
        ):
            marks = WatermarkBlock.build(mark_width, mark_rate)
            stages.append(DecoderStage(inputs, outputs, rate, marks))
            mark_width //= 2
        self.model = nn.ModuleList(stages)
        last = (Snake(widths[-1]), WeightNormConv(widths[-1], 1, 7, padding=3))
        self.wm_model = Watermark(config.decoder_dim // 3, mark_width, last)

    def forward(self, x: Tensor, watch: Watch | None = None) -> Tensor:
        """The waveform without a watermark."""
        for number, stage in enumerate(self.model):
            x = stage(x)
            if watch:
                watch(f"model{number}", x)
        return torch.tanh(self.wm_model.last(x))

    def marked(self, wave: Tensor, message: Tensor) -> Tensor:
        """`wave [B, 1, hop · T]` with the bits `message [B, 16]` marked into it."""
        return self.wm_model(wave, message, [stage.marks() for stage in self.stages()])

    def stages(self) -> list[DecoderStage]:
        """The four stages, from slow to fast."""
        return [stage for stage in self.model if isinstance(stage, DecoderStage)]


class _Bottleneck(nn.Module):
    """The two convolutions of one sample between codec and latents; named `quantizer` in the checkpoints."""

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        self.in_proj = WeightNormConv(config.latent_dim, 2 * config.codebook_dim, 1)
        self.out_proj = WeightNormConv(config.codebook_dim, config.latent_dim, 1)


class Codec(nn.Module):
    """Encoder, bottleneck, decoder and watermark."""

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.quantizer = _Bottleneck(config)
        self.decoder = Decoder(config)

    def encode(self, wave: Tensor, watch: Watch | None = None) -> Tensor:
        """`[B, 1, N]` → `[B, codebook_dim, ceil(N / hop)]`: the mean of the latents."""
        hidden = self.encoder(whole_frames(wave, self.config.hop), watch)
        return self.quantizer.in_proj(hidden)[:, : self.config.codebook_dim]

    def decode(self, latent: Tensor, message: Tensor | None = None, watch: Watch | None = None) -> Tensor:
        """`[B, codebook_dim, T]` → `[B, 1, hop · T]`; with a message of bits `[B, 16]`, watermarked."""
        wave = self.decoder(self.quantizer.out_proj(latent), watch)
        return wave if message is None else self.decoder.marked(wave, message)

    def forward(self, wave: Tensor) -> Tensor:
        """There and back without a watermark, `[B, 1, N]` → `[B, 1, hop · T]`."""
        return self.decode(self.encode(wave))


def whole_frames(wave: Tensor, hop: int) -> Tensor:
    """`[B, 1, N]` → `[B, 1, hop · ceil(N / hop)]`, the end reflected; silence follows a clip too short to reflect."""
    missing = -wave.shape[-1] % hop
    if missing == 0:
        return wave
    return functional.pad(wave, (0, missing), mode="reflect" if missing < wave.shape[-1] else "constant")
