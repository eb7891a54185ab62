from __future__ import annotations

import pytest
import torch

from export.models.sam_audio.attention import GatedMlp, RmsNorm, Rotary, attend, split_heads
from tests.export.models.sam_audio.conftest import close


def test_heads_are_dealt_in_two_ways() -> None:
    x = torch.arange(6.0)[None, None]
    assert split_heads(x, 2, "heads first")[0, :, 0].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert split_heads(x, 2, "heads last")[0, :, 0].tolist() == [[0, 2, 4], [1, 3, 5]]


def test_rotary_likeness_depends_on_the_distance_alone() -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 1, 1, 8).expand(1, 1, 10, 8)
    y = torch.randn(1, 1, 1, 8).expand(1, 1, 10, 8)
    rotary = Rotary.over(10, 8, 10_000, x)
    likeness = rotary.turned(x)[0, 0] @ rotary.turned(y)[0, 0].T
    for distance in (-3, 0, 4):
        along = likeness.diagonal(distance)
        close(along, along[:1].expand_as(along))


def test_rotary_pairs_are_neighbours_and_the_base_doubles_the_positions() -> None:
    x = torch.tensor([1.0, 0.0, 1.0, 0.0])[None, None, None].expand(1, 1, 2, 4)
    turned = Rotary.over(2, 4, 10_000, x).turned(x)[0, 0, 1]
    angles = torch.tensor([1.0, 20_000.0**-0.5])
    close(turned, torch.stack([angles.cos(), angles.sin()], -1).flatten())


def test_a_key_that_is_not_kept_is_not_heard() -> None:
    torch.manual_seed(0)
    q, k, v = (torch.randn(1, 2, 5, 4) for _ in range(3))
    keep = torch.tensor([[True, True, True, False, False]])
    close(attend(q, k, v, keep), attend(q, k[:, :, :3], v[:, :, :3], None), 1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_norm_is_computed_in_float32(dtype: torch.dtype) -> None:
    x = torch.full((1, 4), 3e4).to(dtype)
    out = RmsNorm(4, 1e-5).to(dtype)(x)
    assert out.dtype == dtype
    close(out.float(), torch.ones(1, 4))


def test_the_gated_mlp_is_its_formula() -> None:
    mlp, x = GatedMlp(3, 4, 2), torch.randn(2, 3)
    inner = torch.nn.functional.silu(x @ mlp.w1.weight.T) * (x @ mlp.w3.weight.T)
    close(mlp(x), inner @ mlp.w2.weight.T)
