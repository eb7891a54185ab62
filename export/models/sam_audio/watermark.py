"""The codec's watermark: sixteen bits added to the waveform, `out = o + w(o) / 4`.

The reference draws the bits anew at each call from the global generator, so that two runs never agree. Here the caller
says them (`message_bits`); without a message nothing is added. Everything in it is causal (padded on the left alone),
so a stream needs only the state of its two LSTMs and the tails of its convolutions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

BITS = 16
STRENGTH = 32 / 128


def message_bits(message: int, batch: int) -> Tensor:
    """`[batch, 16]`: the bits of the message, lowest first, for every item alike.

    Raises:
        ValueError: the message is not in 0 … 65535.
    """
    if not 0 <= message < 1 << BITS:
        raise ValueError(f"a watermark message is 0 … {(1 << BITS) - 1}, got {message}")
    return torch.tensor([(message >> place) & 1 for place in range(BITS)]).expand(batch, -1)


class CausalConv(nn.Conv1d):
    """A convolution that sees no future: kernel - stride zeros on the left; `[B, C, stride · T]` → `[B, C', T]`."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(functional.pad(x, (self.kernel_size[0] - self.stride[0], 0)))


class CausalUpsampling(nn.ConvTranspose1d):
    """`[B, C, T]` → `[B, C', stride · T]`: what reaches past the last frame is cut."""

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        return super().forward(x)[..., : -self.stride[0]]


class EluUnit(nn.Module):
    """`x + conv1(elu(conv3(elu(x))))`, half as wide inside; `[B, C, T]` → the same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.block = nn.Sequential(nn.ELU(), CausalConv(channels, half, 3), nn.ELU(), CausalConv(half, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        out: Tensor = x + self.block(x)
        return out


class SkipLstm(nn.Module):
    """Two layers of LSTM and what went in; `[B, C, T]` → the same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(channels, channels, 2)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        over_time = x.permute(2, 0, 1)
        out: Tensor = (self.lstm(over_time)[0] + over_time).permute(1, 2, 0)
        return out


class WatermarkBlock(NamedTuple):
    """The four modules of the watermark that live inside one stage of the decoder."""

    up: nn.Module
    after_up: nn.Module
    before_down: nn.Module
    down: nn.Module

    @classmethod
    def build(cls, width: int, rate: int) -> WatermarkBlock:
        """`width` channels on the slow side, half on the fast side, `rate` between them."""
        half = width // 2
        up = CausalUpsampling(width, half, 2 * rate, rate)
        return cls(up, EluUnit(half), EluUnit(half), CausalConv(half, width, 2 * rate, rate))


class Watermark(nn.Module):
    """What of the watermark lies outside the decoder's stages, and the decoder's own last two modules, which are kept
    under its name (`last`)."""

    def __init__(self, hidden: int, channels: int, last: tuple[nn.Module, nn.Module]) -> None:
        super().__init__()
        inner = hidden // 4
        self.encoder_block = nn.ModuleDict(
            {
                "pre": nn.ModuleDict({"0": last[0], "1": last[1], "3": CausalConv(1, channels, 7)}),
                "post": nn.ModuleDict({"0": SkipLstm(hidden), "2": CausalConv(hidden, inner, 7)}),
            }
        )
        self.msg_processor = nn.ModuleDict({"msg_processor": nn.Embedding(2 * BITS, inner)})
        self.decoder_block = nn.ModuleDict(
            {
                "pre": nn.ModuleDict({"0": CausalConv(inner, hidden, 7), "1": SkipLstm(hidden)}),
                "post": nn.ModuleDict({"1": CausalConv(channels, 1, 7)}),
            }
        )

    def last(self, x: Tensor) -> Tensor:
        """The decoder's end, `[B, C, N]` → `[B, 1, N]`."""
        pre = self.encoder_block["pre"]
        out: Tensor = pre["1"](pre["0"](x))  # type: ignore[index]
        return out

    def forward(self, wave: Tensor, message: Tensor, stages: Sequence[WatermarkBlock]) -> Tensor:
        """`wave [B, 1, N]` marked with `message [B, 16]` of 0 and 1; `stages` from slow to fast."""
        x = self.encoder_block["pre"]["3"](wave)  # type: ignore[index]
        for stage in reversed(stages):
            x = stage.down(functional.elu(stage.before_down(x)))
        after = self.encoder_block["post"]
        x = after["2"](functional.elu(after["0"](x)))  # type: ignore[index]
        x = x + self.spoken(message)[..., None]
        before = self.decoder_block["pre"]
        x = before["1"](before["0"](x))  # type: ignore[index]
        for stage in stages:
            x = stage.after_up(stage.up(functional.elu(x)))
        mark: Tensor = self.decoder_block["post"]["1"](functional.elu(x))  # type: ignore[index]
        return wave + STRENGTH * mark

    def spoken(self, message: Tensor) -> Tensor:
        """The sum of one vector for each bit's value, `[B, inner]`."""
        rows = 2 * torch.arange(BITS, device=message.device) + message.to(torch.int64)
        out: Tensor = self.msg_processor["msg_processor"](rows).sum(1)
        return out
