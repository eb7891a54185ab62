from __future__ import annotations

import pytest
import torch

from export.models.sam_audio.errors import CheckpointError
from export.models.sam_audio.frame_transformer import FrameTransformer, FrameTransformerConfig
from tests.export.models.sam_audio.conftest import close

SIZES = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}


def test_padding_is_not_heard() -> None:
    torch.manual_seed(0)
    model = FrameTransformer(FrameTransformerConfig.from_dict(SIZES | {"of_another_model": 1})).eval()
    frames = torch.randn(1, 9, 16)
    keep = torch.tensor([[True] * 6 + [False] * 3])
    noisy = frames.clone()
    noisy[:, 7:] += 5  # frame 6 is the one that the convolutions reach
    close(model(frames, keep)[:, :5], model(noisy, keep)[:, :5])
    assert model(frames).shape == frames.shape


def test_a_missing_size_is_named() -> None:
    with pytest.raises(CheckpointError, match="hidden_size"):
        FrameTransformerConfig.from_dict({})
