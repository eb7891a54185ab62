"""SAM Audio Judge: four scores for a separation, from mixture, result and prompt, without a reference.

The reference hands its padding mask to the transformers under a name they ignore, so its attention hears the padding;
`forward` does the same unless `mask_attention` says otherwise, because the weights were published with it.
Weights: `facebook/sam-audio-judge`, revision `sam_audio` (SAM License).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from export.models.sam_audio.caption_encoder import (
    caption_model,
    caption_tokens,
    first_token,
    text_layer_of,
)
from export.models.sam_audio.codec import Encoder, whole_frames
from export.models.sam_audio.config import CodecConfig, part_of, sizes_of, whole_of
from export.models.sam_audio.errors import CheckpointError
from export.models.sam_audio.folder_model import FolderModel
from export.models.sam_audio.frame_transformer import FrameTransformer, FrameTransformerConfig
from export.models.sam_audio.weight_norm import WeightNormConv

FEATURE = "the judge"
CONFIG = "judge: config.json (of revision sam_audio)"


class Scores(NamedTuple):
    """Each `[B]`."""

    overall: Tensor
    recall: Tensor
    precision: Tensor
    faithfulness: Tensor


class _CodecEncoder(nn.Module):
    """The encoding half of the codec; what decodes in the same checkpoint is not read."""

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.quantizer = nn.ModuleDict({"in_proj": WeightNormConv(config.latent_dim, 2 * config.codebook_dim, 1)})

    def forward(self, wave: Tensor) -> Tensor:
        """`[B, 1, N]` → `[B, T, codebook_dim]`."""
        hidden = self.encoder(whole_frames(wave, self.config.hop))
        out: Tensor = self.quantizer["in_proj"](hidden)[:, : self.config.codebook_dim].transpose(1, 2)
        return out


class Judge(FolderModel):
    """Key names as in the released checkpoint."""

    NOT_READ = ("audio_codec.quantizer.out_proj.", "audio_codec.decoder.")

    def __init__(self, raw: Mapping[str, Any]) -> None:
        super().__init__(raw)
        codec = sizes_of(CodecConfig, part_of(raw, "audio_codec", CONFIG), f"{CONFIG}: audio_codec")
        first, second = (
            FrameTransformerConfig.from_dict(part_of(raw, name, CONFIG), f"{CONFIG}: {name}")
            for name in ("transformer", "finetune_transformer")
        )
        text, narrow = part_of(raw, "text_model", CONFIG), whole_of(raw, "bottleneck_dim", CONFIG)
        wide = first.hidden_size
        self.audio_codec = _CodecEncoder(codec)
        self.data_proj = nn.Linear(codec.codebook_dim, wide)
        self.transformer = FrameTransformer(first)
        self.cat_audio_proj = nn.Linear(2 * wide, narrow)
        self.text_model = caption_model(text, FEATURE)
        self.text_layer = text_layer_of(raw, self.text_model, CONFIG)
        self.text_proj1 = nn.Linear(whole_of(text, "hidden_size", CONFIG), wide, bias=False)
        self.text_proj2 = nn.Linear(wide, narrow)
        self.layer_norm = nn.LayerNorm(narrow)
        self.proj_audio_and_text = nn.Linear(2 * narrow, narrow)
        self.finetune_data_proj = nn.Linear(narrow, second.hidden_size)
        self.finetune_transformer = FrameTransformer(second)
        self.head = nn.Linear(second.hidden_size, 4, bias=False)
        self.mean, self.std = nn.Parameter(torch.zeros(4)), nn.Parameter(torch.ones(4))

    def forward(
        self,
        mix: Tensor,
        separated: Tensor,
        ids: Tensor,
        ids_keep: Tensor | None,
        keep: Tensor | None = None,
        mask_attention: bool = False,
    ) -> Scores:
        """Scores of `separated [B, 1, N]` out of `mix [B, 1, N]` for the caption `ids [B, S]`; `keep [B, T]` true on
        an item's own frames, over which alone the mean is taken."""
        hear = keep if mask_attention else None
        parts = [self.transformer(self.data_proj(self.audio_codec(wave)), hear) for wave in (separated, mix)]
        audio = self.cat_audio_proj(torch.cat(parts, -1))
        caption = first_token(self.text_model, self.text_layer, ids, ids_keep)
        caption = self.layer_norm(self.text_proj2(self.text_proj1(caption)))
        both = self.proj_audio_and_text(torch.cat([audio, caption[:, None].expand_as(audio)], -1))
        scored = self.head(self.finetune_transformer(self.finetune_data_proj(both), hear))
        weight = torch.ones_like(scored[..., :1]) if keep is None else keep[..., None].type_as(scored)
        mean = (scored * weight).sum(1) / weight.sum(1)
        return Scores(*(mean * self.std + self.mean).unbind(-1))

    @torch.no_grad()
    def score(self, mix: Tensor, separated: Tensor, captions: Sequence[str]) -> Scores:
        """As `forward`, from captions, for items of one length."""
        if self.folder is None:
            raise CheckpointError("judge: opened without a folder, so without a tokenizer")
        scores: Scores = self(mix, separated, *caption_tokens(self.folder, captions, FEATURE))
        return scores
