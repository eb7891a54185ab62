"""Convolutions whose weight is kept as a length and a direction, Snake, and the codec's residual unit.

Weight normalisation (Salimans and Kingma 2016): `w = g · v / |v|`, one `g` for each index of the first axis. For the
transposed convolution that axis is the *input* channel.
"""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

Conv = TypeVar("Conv", nn.Conv1d, nn.ConvTranspose1d)


class WeightNormConv(nn.Module):
    """`[B, inputs, T]` → `[B, outputs, T']`; parameters `weight_g`, `weight_v`, `bias`."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1
    ) -> None:
        super().__init__()
        self.stride, self.padding, self.dilation = stride, padding, dilation
        self.weight_g = nn.Parameter(torch.ones(outputs, 1, 1))
        self.weight_v = nn.Parameter(torch.randn(outputs, inputs, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        weight = normalized(self.weight_g, self.weight_v)
        return functional.conv1d(x, weight, self.bias, self.stride, self.padding, self.dilation)

    def folded(self) -> nn.Conv1d:
        """The same as an ordinary convolution."""
        weight = normalized(self.weight_g, self.weight_v)
        outputs, inputs, kernel = weight.shape
        plain = nn.Conv1d(inputs, outputs, kernel, self.stride, self.padding, self.dilation)
        return _filled(plain, weight, self.bias)


class WeightNormUpsampling(nn.Module):
    """`[B, inputs, T]` → `[B, outputs, stride · T]`: a transposed convolution with a kernel of two strides."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.padding, self.extra = (stride + 1) // 2, stride % 2
        self.weight_g = nn.Parameter(torch.ones(inputs, 1, 1))
        self.weight_v = nn.Parameter(torch.randn(inputs, outputs, 2 * stride))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        weight = normalized(self.weight_g, self.weight_v)
        return functional.conv_transpose1d(x, weight, self.bias, self.stride, self.padding, self.extra)

    def folded(self) -> nn.ConvTranspose1d:
        """The same as an ordinary transposed convolution."""
        weight = normalized(self.weight_g, self.weight_v)
        inputs, outputs, kernel = weight.shape
        plain = nn.ConvTranspose1d(inputs, outputs, kernel, self.stride, self.padding, self.extra)
        return _filled(plain, weight, self.bias)


class Snake(nn.Module):
    """`x + sin²(α x) / α`, one α a channel (Ziyin et al. 2020); `[B, C, T]` → the same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(1, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return x + torch.sin(self.alpha * x).square() / (self.alpha + 1e-9)


class ResidualUnit(nn.Module):
    """`x + conv1(snake(conv7(snake(x))))`, the conv of seven dilated; `[B, C, T]` → the same."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            Snake(channels),
            WeightNormConv(channels, channels, 7, padding=3 * dilation, dilation=dilation),
            Snake(channels),
            WeightNormConv(channels, channels, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        out: Tensor = x + self.block(x)
        return out


def normalized(length: Tensor, direction: Tensor) -> Tensor:
    """`g · v / |v|`, the norm over all axes but the first."""
    return direction * (length / direction.flatten(1).norm(dim=1).view(-1, 1, 1))


def fold_weight_norm(model: nn.Module) -> None:
    """Replace every weight-normed convolution below `model` by an ordinary one with the same values."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, WeightNormConv | WeightNormUpsampling):
                setattr(parent, name, child.folded())


def _filled(conv: Conv, weight: Tensor, bias: Tensor) -> Conv:
    with torch.no_grad():
        conv.weight.copy_(weight)
        assert conv.bias is not None
        conv.bias.copy_(bias)
    return conv
