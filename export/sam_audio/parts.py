"""The graphs of a SAM Audio bundle as torch modules, each cut where the engine needs to cut.

What depends on the prompt and the time alone is a graph of its own (`condition`), so that a solver with fixed times
computes it once per prompt; what is left (`velocity`) is all that an evaluation costs. Batch comes first everywhere,
and float32 goes in and out whatever is inside.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from export.models.sam_audio.codec import Codec
from export.models.sam_audio.judge import Judge
from export.models.sam_audio.span_predictor import SpanPredictor
from export.models.sam_audio.spans import Anchors
from export.models.sam_audio.transformer import Memory, Times
from export.models.sam_audio.velocity import VelocityField
from export.models.sam_audio.vision import PictureTower


class EncoderPart(nn.Module):
    """`samples [B, 1, hop · T]` → `latents [B, T, codebook_dim]`."""

    def __init__(self, codec: Codec) -> None:
        super().__init__()
        self.body, self.projection = codec.encoder, codec.quantizer.in_proj
        self.channels = codec.config.codebook_dim

    def forward(self, samples: Tensor) -> Tensor:
        """See the class."""
        latents: Tensor = self.projection(self.body(_inside(samples, self)))[:, : self.channels]
        return latents.transpose(1, 2).float()


class DecoderPart(nn.Module):
    """`latents [B, T, codebook_dim]` → `samples [B, 1, hop · T]`, without a watermark."""

    def __init__(self, codec: Codec) -> None:
        super().__init__()
        self.body, self.projection = codec.decoder, codec.quantizer.out_proj

    def forward(self, latents: Tensor) -> Tensor:
        """See the class."""
        samples: Tensor = self.body(self.projection(_inside(latents, self).transpose(1, 2)))
        return samples.float()


class TextPart(nn.Module):
    """`tokens [B, S]`, `token_mask [B, S]` → `text [B, S, width]`: the encoder of T5."""

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, tokens: Tensor, token_mask: Tensor) -> Tensor:
        """See the class."""
        hidden: Tensor = self.encoder(input_ids=tokens, attention_mask=token_mask.to(torch.int64)).last_hidden_state
        return hidden.float()


class ConditionPart(nn.Module):
    """`text [B, S, width]`, `time [B]` → `keys`, `values [B, layers, heads, S, head_dim]`, `modulation [B, 6, D]`,
    `final [B, D]`."""

    def __init__(self, field: VelocityField) -> None:
        super().__init__()
        self.field = field

    def forward(self, text: Tensor, time: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """See the class."""
        memory = self.field.memory(time, _inside(text, self))
        times = self.field.transformer.times(time)
        keys, values = memory.keys.transpose(0, 1), memory.values.transpose(0, 1)
        return keys.float(), values.float(), times.modulation.float(), times.final.float()


class VelocityPart(nn.Module):
    """One evaluation of the field: `velocity [B, T, 2 · codebook_dim]` at `noisy` of the same shape.

    `mix [B, T, codebook_dim]`, `video [B, features, T]` (zeros without a picture), `anchor_ids [B, A]`,
    `anchor_alignment [B, T]`, `frame_mask [B, T]` (true on real frames), `text_mask [B, S]`; the rest from `condition`.
    """

    def __init__(self, field: VelocityField) -> None:
        super().__init__()
        self.field = field

    def forward(
        self,
        noisy: Tensor,
        mix: Tensor,
        video: Tensor,
        anchor_ids: Tensor,
        anchor_alignment: Tensor,
        frame_mask: Tensor,
        keys: Tensor,
        values: Tensor,
        text_mask: Tensor,
        modulation: Tensor,
        final: Tensor,
    ) -> Tensor:
        """See the class."""
        noisy, mix, video, keys, values, modulation, final = (
            _inside(x, self) for x in (noisy, mix, video, keys, values, modulation, final)
        )
        context = self.field.context(torch.cat([mix, mix], -1), video, Anchors(anchor_ids, anchor_alignment))
        memory = Memory(keys.transpose(0, 1), values.transpose(0, 1), text_mask)
        return self.field.at(noisy, Times(modulation, final), context, memory, frame_mask).float()


class VisionPart(nn.Module):
    """`pictures [N, 3, side, side]` of -1 … 1 → `features [N, width]`, of unit length if `normalize`."""

    def __init__(self, tower: PictureTower, normalize: bool) -> None:
        super().__init__()
        self.tower, self.normalize = tower, normalize

    def forward(self, pictures: Tensor) -> Tensor:
        """See the class."""
        seen = self.tower(_inside(pictures, self)).float()
        return functional.normalize(seen, dim=-1) if self.normalize else seen


class SpansPart(nn.Module):
    """How probably each frame holds what is described, `heard [B, T]`: `latents [B, T, codebook_dim]`,
    `frame_mask [B, T]`, `tokens`, `token_mask [B, S]` of PE-A-Frame's own tokenizer."""

    def __init__(self, predictor: SpanPredictor) -> None:
        super().__init__()
        self.predictor = predictor

    def forward(self, latents: Tensor, frame_mask: Tensor, tokens: Tensor, token_mask: Tensor) -> Tensor:
        """See the class."""
        out: Tensor = self.predictor(latents, frame_mask, tokens, token_mask.to(torch.int64))
        return out


class JudgePart(nn.Module):
    """`scores [B, 4]` (overall, recall, precision, faithfulness) of `separated` out of `mix [B, 1, hop · T]`;
    `tokens`, `token_mask [B, S]` of the judge's own tokenizer."""

    def __init__(self, judge: Judge) -> None:
        super().__init__()
        self.judge = judge

    def forward(self, mix: Tensor, separated: Tensor, tokens: Tensor, token_mask: Tensor) -> Tensor:
        """See the class."""
        return torch.stack(self.judge(mix, separated, tokens, token_mask.to(torch.int64)), -1)


def _inside(x: Tensor, part: nn.Module) -> Tensor:
    """`x` in the precision the part computes in: that of its widest weights."""
    return x.to(getattr(part, "precision", torch.float32))
