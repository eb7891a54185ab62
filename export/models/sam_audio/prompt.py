"""What a caller asks for, and the tensors the model takes in its place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from export.models.sam_audio.config import SamAudioConfig
from export.models.sam_audio.spans import Anchors, Span, anchors_of
from export.models.sam_audio.text import TextFeatures
from export.models.sam_audio.video import VisualPrompt, at_latent_frames


@dataclass(frozen=True, slots=True)
class Prompt:
    """A short lower-case phrase ("man speaking"; `""` where a picture says it), spans, and frames with masks."""

    text: str = ""
    spans: tuple[Span, ...] = ()
    picture: VisualPrompt | None = None

    def with_spans(self, spans: Sequence[Span]) -> Prompt:
        """The same with other spans."""
        return replace(self, spans=tuple(spans))


class Conditions(NamedTuple):
    """A batch of prompts as tensors; `keep [B, T]` is true on an item's own frames."""

    text: TextFeatures
    anchors: Anchors
    video: Tensor
    keep: Tensor


def frames_kept(lengths: Sequence[int], hop: int) -> Tensor:
    """`[B, T]`: which frames belong to items of so many samples, T the longest's."""
    frames = torch.tensor([-(-length // hop) for length in lengths])
    return torch.arange(int(frames.max()))[None] < frames[:, None]


def conditions_of(
    prompts: Sequence[Prompt],
    keep: Tensor,
    config: SamAudioConfig,
    text: Callable[[Sequence[str]], TextFeatures],
    pictures: Callable[[Tensor], Tensor],
) -> Conditions:
    """The tensors of a batch.

    Args:
        keep: see `frames_kept`.
        text: features of phrases.
        pictures: features `[N, features]` of pictures `[N, 3, height, width]`; not called where no prompt has any.
    """
    codec, device = config.audio_codec, keep.device
    video = torch.zeros(*keep.shape, config.vision_encoder.dim, device=device)
    for row, prompt in enumerate(prompts):
        if prompt.picture is not None:
            frames = int(keep[row].sum())
            video[row, :frames] = pictures(at_latent_frames(prompt.picture.blanked(), frames)).to(device)
    features, tokens = text([prompt.text for prompt in prompts])
    return Conditions(
        TextFeatures(features.to(device), tokens.to(device)),
        anchors_of([prompt.spans for prompt in prompts], keep, codec.hop, codec.sample_rate),
        video.transpose(1, 2),
        keep,
    )
