"""The watermark as a graph that a stream can run piece by piece.

All of it is causal, so a piece needs of the past only what each convolution still reaches and the two LSTMs' states.
They lie in one row, zeros at the start: then pieces of whole frames come out as the whole would, to rounding.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from export.models.sam_audio.codec import Codec
from export.models.sam_audio.watermark import STRENGTH, CausalConv, CausalUpsampling, EluUnit, SkipLstm


class WatermarkPart(nn.Module):
    """`samples [B, 1, hop · T]`, `message [B, 16]` of 0 and 1, `state [B, state_size]` → marked samples, next state.

    One state goes with one mono signal and moves on in whole frames.
    """

    def __init__(self, codec: Codec) -> None:
        super().__init__()
        self.mark = codec.decoder.wm_model
        # names and numbers are those of the released checkpoints: see `export/models/sam_audio/watermark.py`
        self.before: Any = self.mark.encoder_block
        self.after: Any = self.mark.decoder_block
        self.stages: list[Any] = [stage.marks() for stage in codec.decoder.stages()]
        self.held = nn.ModuleList(module for stage in self.stages for module in stage)
        self.state_size = sum(_sizes(self._stateful()))

    def forward(self, samples: Tensor, message: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """See the class."""
        past = _Past(state)
        before, after, spoken = self.before, self.after, self.mark.spoken(message)
        x = past.conv(before["pre"]["3"], samples)
        for stage in reversed(self.stages):
            x = past.conv(stage.down, functional.elu(past.unit(stage.before_down, x)))
        x = past.conv(before["post"]["2"], functional.elu(past.lstm(before["post"]["0"], x)))
        x = past.conv(after["pre"]["0"], x + spoken[..., None])
        x = past.lstm(after["pre"]["1"], x)
        for stage in self.stages:
            x = past.unit(stage.after_up, past.up(stage.up, functional.elu(x)))
        mark = past.conv(after["post"]["1"], functional.elu(x))
        return samples + STRENGTH * mark, past.next()

    def _stateful(self) -> Iterator[nn.Module]:
        """Modules with a past, in the order in which `forward` comes to them."""
        before, after = self.before, self.after
        yield before["pre"]["3"]
        for stage in reversed(self.stages):
            yield from (stage.before_down, stage.down)
        yield from (before["post"]["0"], before["post"]["2"], after["pre"]["0"], after["pre"]["1"])
        for stage in self.stages:
            yield from (stage.up, stage.after_up)
        yield after["post"]["1"]


class _Past:
    """Takes each module's share off the old state, in order, and gathers the new one."""

    def __init__(self, state: Tensor) -> None:
        self._state, self._at = state, 0
        self._new: list[Tensor] = []

    def next(self) -> Tensor:
        """The state after this piece."""
        return torch.cat(self._new, 1)

    def _take(self, channels: int, frames: int) -> Tensor:
        begin, self._at = self._at, self._at + channels * frames
        return self._state[:, begin : self._at].unflatten(1, (channels, frames))

    def _after(self, channels: int, frames: int, x: Tensor) -> Tensor:
        """`x` behind its past; its end is the next piece's past."""
        if frames == 0:
            return x
        joined = torch.cat([self._take(channels, frames), x], -1)
        self._new.append(joined[..., -frames:].flatten(1))
        return joined

    def conv(self, conv: CausalConv, x: Tensor) -> Tensor:
        reach = conv.kernel_size[0] - conv.stride[0]
        return functional.conv1d(self._after(conv.in_channels, reach, x), conv.weight, conv.bias, conv.stride)

    def unit(self, unit: Any, x: Tensor) -> Tensor:
        _, first, _, second = unit.block
        return x + self.conv(second, functional.elu(self.conv(first, functional.elu(x))))

    def up(self, conv: CausalUpsampling, x: Tensor) -> Tensor:
        stride = conv.stride[0]
        joined = self._after(conv.in_channels, 1, x)
        return functional.conv_transpose1d(joined, conv.weight, conv.bias, stride)[..., stride:-stride]

    def lstm(self, skip: SkipLstm, x: Tensor) -> Tensor:
        over_time = x.permute(2, 0, 1)
        heard = over_time
        for layer in range(skip.lstm.num_layers):
            hidden, cell = (self._take(skip.lstm.hidden_size, 1)[..., 0] for _ in range(2))
            heard, hidden, cell = _lstm_layer(skip.lstm, layer, heard, hidden, cell)
            self._new += [hidden, cell]
        return (heard + over_time).permute(1, 2, 0)


def _sizes(modules: Iterator[nn.Module]) -> Iterator[int]:
    for module in modules:
        if isinstance(module, EluUnit):
            yield from _sizes(iter(module.block))
        elif isinstance(module, SkipLstm):
            yield 2 * module.lstm.num_layers * module.lstm.hidden_size
        elif isinstance(module, CausalUpsampling):
            yield module.in_channels
        elif isinstance(module, CausalConv):
            yield module.in_channels * (module.kernel_size[0] - module.stride[0])


def _lstm_layer(lstm: nn.LSTM, layer: int, x: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """One layer over `x [T, B, C]` from `hidden`, `cell [B, C]` → what it says, and both states after it.

    While a graph is made, ONNX's own LSTM takes its place: the exporter's translation of torch's bakes the length in.
    """
    names = [f"{kind}_l{layer}" for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    into, over, bias_in, bias_over = (getattr(lstm, name) for name in names)
    if not torch.onnx.is_in_onnx_export():
        parameters = (into, over, bias_in, bias_over)
        said, new_hidden, new_cell = torch.lstm(
            x, (hidden[None], cell[None]), parameters, True, 1, 0.0, False, False, False
        )
        return said, new_hidden[0], new_cell[0]
    bias = torch.cat([_onnx_gates(bias_in), _onnx_gates(bias_over)])
    size = lstm.hidden_size
    state = (1, x.shape[1], size)
    said, new_hidden, new_cell = torch.onnx.ops.symbolic_multi_out(
        "LSTM",
        (x, _onnx_gates(into)[None], _onnx_gates(over)[None], bias[None], None, hidden[None], cell[None]),
        {"hidden_size": size},
        dtypes=(x.dtype, x.dtype, x.dtype),
        shapes=((x.shape[0], *state), state, state),
    )
    return said[:, 0], new_hidden[0], new_cell[0]


def _onnx_gates(weight: Tensor) -> Tensor:
    """Rows in torch's order (input, forget, cell, output) in that of ONNX (input, output, forget, cell)."""
    into, forget, cell, out = weight.chunk(4)
    return torch.cat([into, out, forget, cell])
