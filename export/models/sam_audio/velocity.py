"""The velocity field: what a solver integrates from noise (t = 0) to latents of target and residual (t = 1).

Three calls, by what they depend on, so that each is made as rarely as it can be: `context` (mixture, picture, spans:
once a window), `memory` (prompt and time: once per prompt for fixed times) and `forward` (once an evaluation).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from export.models.sam_audio.codec import Watch
from export.models.sam_audio.config import SamAudioConfig
from export.models.sam_audio.spans import Anchors
from export.models.sam_audio.transformer import DiffusionTransformer, Memory, Times, sinusoids


class _VideoBranch(nn.Module):
    """`tanh(gate) · norm(conv(video))`; `[B, features, T]` → `[B, T, D]`."""

    def __init__(self, features: int, dim: int) -> None:
        super().__init__()
        self.gate = nn.Parameter(torch.zeros(1))
        self.conv = nn.Conv1d(features, dim, 1)
        self.layer_norm = nn.LayerNorm(dim)

    def forward(self, video: Tensor) -> Tensor:
        """See the class."""
        return torch.tanh(self.gate) * self.layer_norm(self.conv(video).transpose(1, 2))


class _AnchorBranch(nn.Module):
    """`tanh(gate) · proj(embed(token of the frame's span))` → `[B, T, D]`."""

    def __init__(self, anchors: int, width: int, dim: int) -> None:
        super().__init__()
        self.gate = nn.Parameter(torch.zeros(1))
        self.embed = nn.Embedding(anchors + 1, width, padding_idx=anchors)
        self.proj = nn.Linear(width, dim, bias=False)

    def forward(self, anchors: Anchors) -> Tensor:
        """See the class."""
        tokens = anchors.ids.gather(1, anchors.alignment)
        return torch.tanh(self.gate) * self.proj(self.embed(tokens))


class VelocityField(nn.Module):
    """Key names as in the released checkpoints, without a prefix."""

    def __init__(self, config: SamAudioConfig) -> None:
        super().__init__()
        self.config = config
        dim = config.transformer.dim
        self.transformer = DiffusionTransformer(config.transformer)
        self.proj = nn.Linear(config.in_channels, dim)
        self.memory_proj = nn.Linear(config.text_encoder.dim, dim)
        self.align_masked_video = _VideoBranch(config.vision_encoder.dim, dim)
        self.embed_anchors = _AnchorBranch(config.num_anchors, config.anchor_embedding_dim, dim)

    def context(self, mix: Tensor, video: Tensor | None, anchors: Anchors | None, watch: Watch | None = None) -> Tensor:
        """What every evaluation of a window adds to its frames, `[B, T, D]`.

        Args:
            mix: the mixture's latents twice over, `[B, T, 2 · codebook_dim]`.
            video: picture features `[B, features, T]`; zeros where there is no picture (the branch then adds the
                constant it was trained with), None to leave the branch out.
            anchors: spans; None to leave the branch out.
        """
        channels = self.config.channels
        # of the three blocks of columns the middle one meets only zeros, and the first the noisy latents (`forward`)
        x = functional.linear(mix, self.proj.weight[:, 2 * channels :], self.proj.bias)
        if video is not None:
            seen = self.align_masked_video(video)
            x = x + seen
            if watch:
                watch("align_masked_video", seen)
        if anchors is not None:
            marked = self.embed_anchors(anchors)
            x = x + marked
            if watch:
                watch("embed_anchors", marked)
        return x

    def memory(self, t: Tensor, text: Tensor | None, keep: Tensor | None = None, watch: Watch | None = None) -> Memory:
        """Keys and values for `text [B, S, features]` (`keep [B, S]` true on true tokens) at `t [B]`; without text one
        token that tells the time."""
        time = sinusoids(t, self.config.transformer.dim)[:, None]
        if watch:
            watch("timestep_emb", time[:, 0])
        if text is None:
            return self.transformer.memory(time.type_as(self.memory_proj.weight), None, watch)
        told = self.memory_proj(text)
        if watch:
            watch("memory_proj", told)
        return self.transformer.memory(told + time.type_as(told), keep, watch)

    def forward(
        self,
        noisy: Tensor,
        t: Tensor,
        context: Tensor,
        memory: Memory,
        keep: Tensor | None = None,
        watch: Watch | None = None,
    ) -> Tensor:
        """Velocity `[B, T, 2 · codebook_dim]` at `noisy` of the same shape; `keep [B, T]` false on padded frames."""
        return self.at(noisy, self.transformer.times(t), context, memory, keep, watch)

    def at(
        self,
        noisy: Tensor,
        times: Times,
        context: Tensor,
        memory: Memory,
        keep: Tensor | None = None,
        watch: Watch | None = None,
    ) -> Tensor:
        """As `forward`, what the time does being known already."""
        x = functional.linear(noisy, self.proj.weight[:, : self.config.channels]) + context
        if watch:
            watch("frames", x)
        out: Tensor = self.transformer(x, times, memory, keep, watch)
        return out
