from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from export.models.sam_audio.codec import Codec
from export.models.sam_audio.weight_norm import (
    ResidualUnit,
    Snake,
    WeightNormConv,
    WeightNormUpsampling,
    fold_weight_norm,
    normalized,
)
from tests.export.models.sam_audio.conftest import close


@pytest.mark.parametrize("shape", [(4, 3, 7), (6, 2, 4)])
def test_it_is_torchs_weight_norm(shape: tuple[int, int, int]) -> None:
    conv = weight_norm(nn.Conv1d(shape[1], shape[0], shape[2]))
    length, direction = conv.parametrizations.weight.original0, conv.parametrizations.weight.original1
    close(normalized(length, direction), conv.weight, 1e-6)


def test_folding_changes_names_and_no_sound(codec: Codec, reference: dict[str, torch.Tensor]) -> None:
    folded = copy.deepcopy(codec)
    fold_weight_norm(folded)
    assert not [name for name in folded.state_dict() if name.endswith(("weight_g", "weight_v"))]
    wave = reference["codec.wav"]
    close(folded(wave), codec(wave), 1e-6)


@pytest.mark.parametrize("stride", [2, 8, 10, 12, 3])
def test_upsampling_gives_stride_times_the_length(stride: int) -> None:
    assert WeightNormUpsampling(4, 2, stride)(torch.randn(1, 4, 5)).shape == (1, 2, 5 * stride)


def test_a_residual_unit_keeps_the_length_at_any_dilation() -> None:
    x = torch.randn(2, 4, 31)
    assert all(ResidualUnit(4, dilation)(x).shape == x.shape for dilation in (1, 3, 9))
    assert WeightNormConv(4, 8, 4, stride=2, padding=1)(x[..., :30]).shape == (2, 8, 15)


def test_snake_is_its_formula() -> None:
    snake = Snake(1)
    with torch.no_grad():
        snake.alpha.fill_(2.0)
    x = torch.tensor([[[0.3, -1.0]]])
    close(snake(x).detach(), x + torch.sin(2 * x) ** 2 / 2, 1e-7)
