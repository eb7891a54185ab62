"""PE-A-Frame: where a described sound is heard, from the codec latents that SAM Audio has computed anyway.

Frames and caption are put into one space; `sigmoid(⟨frame, caption⟩ · scale + bias)` above 0.3 is heard. Weights
(Apache-2.0): `facebook/pe-a-frame-*`, revision `perception_models`; the codec inside that checkpoint is not read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from export.models.sam_audio.caption_encoder import (
    caption_model,
    caption_tokens,
    first_token,
    text_layer_of,
)
from export.models.sam_audio.config import part_of, whole_of
from export.models.sam_audio.errors import CheckpointError
from export.models.sam_audio.folder_model import FolderModel
from export.models.sam_audio.frame_transformer import FrameTransformer, FrameTransformerConfig
from export.models.sam_audio.spans import Span, spans_of

THRESHOLD = 0.3
FEATURE = "span prediction"
CONFIG = "span predictor: config.json"


class _Head(nn.Module):
    def __init__(self, width: int, features: int) -> None:
        super().__init__()
        self.layer_norm = nn.LayerNorm(width, eps=1e-6)
        self.proj = nn.Linear(width, features, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """`[…, width]` → `[…, features]`."""
        out: Tensor = self.proj(self.layer_norm(x))
        return out


class _AudioModel(nn.Module):
    def __init__(self, channels: int, config: FrameTransformerConfig) -> None:
        super().__init__()
        self.data_proj = nn.Linear(channels, config.hidden_size)
        self.audio_transformer = FrameTransformer(config)

    def forward(self, latent: Tensor, keep: Tensor | None) -> Tensor:
        """`[B, T, channels]` → `[B, T, width]`."""
        out: Tensor = self.audio_transformer(self.data_proj(latent), keep)
        return out


class SpanPredictor(FolderModel):
    """Key names as in the released checkpoints."""

    NOT_READ = ("audio_model.dac_vae_encoder.",)

    def __init__(self, raw: Mapping[str, Any]) -> None:
        super().__init__(raw)
        audio, text = part_of(raw, "audio_model", CONFIG), part_of(raw, "text_model", CONFIG)
        self.channels = whole_of(part_of(audio, "dac_vae_encoder", CONFIG), "codebook_dim", CONFIG)
        features, text_width = whole_of(raw, "output_dim", CONFIG), whole_of(text, "hidden_size", CONFIG)
        sizes = FrameTransformerConfig.from_dict(
            part_of(audio, "audio_transformer", CONFIG), f"{CONFIG}: audio_model.audio_transformer"
        )
        self.audio_model = _AudioModel(self.channels, sizes)
        self.text_model = caption_model(text, FEATURE)
        self.text_layer = text_layer_of(raw, self.text_model, CONFIG)
        self.audio_head = _Head(sizes.hidden_size, features)
        self.text_head = _Head(text_width, features)
        self.logit_scale, self.logit_bias = nn.Parameter(torch.ones(1)), nn.Parameter(torch.zeros(1))

    def embedded(self, latent: Tensor, keep: Tensor | None) -> Tensor:
        """Frames, `latent [B, T, channels]` → `[B, T, features]`."""
        out: Tensor = self.audio_head(self.audio_model(latent, keep))
        return out

    def embedded_text(self, ids: Tensor, keep: Tensor | None) -> Tensor:
        """Captions, `ids [B, S]` → `[B, features]`."""
        out: Tensor = self.text_head(first_token(self.text_model, self.text_layer, ids, keep))
        return out

    def forward(self, latent: Tensor, keep: Tensor | None, ids: Tensor, ids_keep: Tensor | None) -> Tensor:
        """How probably each frame holds what its item's caption says, `[B, T]`."""
        frames, caption = self.embedded(latent, keep), self.embedded_text(ids, ids_keep)
        likeness = torch.einsum("btc,bc->bt", frames, caption)
        return torch.sigmoid(likeness * self.logit_scale + self.logit_bias)

    @torch.no_grad()
    def spans(self, latent: Tensor, keep: Tensor, captions: Sequence[str], frame_s: float) -> list[list[Span]]:
        """`+` spans of each item; frames of padding are in none."""
        if self.folder is None:
            raise CheckpointError("span predictor: opened without a folder, so without a tokenizer")
        ids, ids_keep = caption_tokens(self.folder, captions, FEATURE)
        heard = (self(latent, keep, ids, ids_keep) > THRESHOLD) & keep
        return [spans_of(row, frame_s) for row in heard]
