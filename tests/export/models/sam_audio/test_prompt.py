from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from export.models.sam_audio.config import SamAudioConfig
from export.models.sam_audio.prompt import Prompt, conditions_of, frames_kept
from export.models.sam_audio.spans import Span
from export.models.sam_audio.text import TextFeatures
from export.models.sam_audio.video import VisualPrompt


def test_frames_of_the_fixture(reference: dict[str, Tensor]) -> None:
    assert torch.equal(frames_kept([38_500, 24_960], 1920), reference["batchA.pad_mask"])


def test_a_batch_of_prompts(config: SamAudioConfig, reference: dict[str, Tensor], spans: list[list[Span]]) -> None:
    asked: list[tuple[str, ...]] = []

    def text(prompts: Sequence[str]) -> TextFeatures:
        asked.append(tuple(prompts))
        return TextFeatures(torch.zeros(2, 3, 24), torch.ones(2, 3, dtype=torch.bool))

    picture = VisualPrompt(reference["video.frames1"], None, "target")
    prompts = [Prompt("rain", tuple(spans[0])), Prompt("", tuple(spans[1]), picture)]
    out = conditions_of(prompts, reference["batchA.pad_mask"], config, text, lambda x: torch.ones(len(x), 20))
    assert asked == [("rain", "")]
    assert torch.equal(out.anchors.ids, reference["batchA.anchor_ids"])
    assert out.video.shape == (2, 20, 21)
    assert out.video.sum((1, 2)).tolist() == [0, 20 * 13]
