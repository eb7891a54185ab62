from __future__ import annotations

import pytest
import torch
from torch import Tensor

from engine.errors import BadInput
from export.models.sam_audio.video import VisualPrompt, at_latent_frames


@pytest.mark.parametrize("item", [0, 1])
def test_the_reference_hides_where_the_mask_is_set(item: int, reference: dict[str, Tensor]) -> None:
    frames, mask = reference[f"video.frames{item}"], reference[f"video.mask{item}"][:, 0]
    assert torch.equal(VisualPrompt(frames, mask, "hide").blanked(), reference[f"video.masked{item}"])


def test_polarity_is_what_the_caller_says() -> None:
    frames = torch.full((1, 3, 1, 2), 9, dtype=torch.uint8)
    mask = torch.tensor([[[255, 0]]], dtype=torch.uint8)
    assert VisualPrompt(frames, mask, "target").blanked()[0, 0].tolist() == [[9, 0]]
    assert VisualPrompt(frames, mask, "hide").blanked()[0, 0].tolist() == [[0, 9]]
    assert VisualPrompt(frames, None, "target").blanked() is frames


def test_the_nearest_picture_stands_for_each_latent_frame() -> None:
    assert at_latent_frames(torch.arange(3), 5).tolist() == [0, 0, 1, 2, 2]
    assert at_latent_frames(torch.arange(10), 4).tolist() == [0, 3, 6, 9]


def test_what_is_no_picture_is_refused() -> None:
    frames = torch.zeros(2, 3, 4, 4, dtype=torch.uint8)
    with pytest.raises(BadInput, match="frames"):
        VisualPrompt(frames.float(), None, "target")
    with pytest.raises(BadInput, match="mask"):
        VisualPrompt(frames, torch.zeros(1, 4, 4), "target")
    with pytest.raises(BadInput, match="marks"):
        VisualPrompt(frames, None, "white")  # type: ignore[arg-type]
