from __future__ import annotations

import torch

from export.models.scan import linear_scan


def test_it_is_the_recurrence() -> None:
    keep, add, hidden = torch.rand(6, 2, 3), torch.randn(6, 2, 3), torch.randn(2, 3)
    got = linear_scan(keep, add, hidden)
    for t in range(6):
        hidden = keep[t] * hidden + add[t]
        torch.testing.assert_close(got[t], hidden)


def test_its_gradients_are_right() -> None:
    torch.manual_seed(0)
    shapes = ((5, 2, 3), (5, 2, 3), (2, 3))
    inputs = [torch.rand(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
    assert torch.autograd.gradcheck(linear_scan, inputs)
