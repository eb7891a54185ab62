"""A part computed in 16 bits, its norms in 32.

Means and variances over thousands of channels lose what 16 bits cannot hold, and cost next to nothing in 32; so do the
sines of Snake, whose angles grow with the signal. In bfloat16 the few convolutions stay in 32 too: ONNX has them in
bfloat16 only from opset 22 on.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from export.models.sam_audio.attention import RmsNorm
from export.models.sam_audio.weight_norm import Snake

PRECISIONS = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}

_WIDE: tuple[type[nn.Module], ...] = (nn.GroupNorm, nn.LayerNorm, Snake)
_WIDE_IN_BFLOAT16 = (*_WIDE, nn.Conv1d, nn.Conv2d)


class Widened(nn.Module):
    """A module computed in float32 between inputs and outputs of 16 bits."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        out: Tensor = self.module(x.float()).type_as(x)
        return out


def narrow(part: nn.Module, precision: torch.dtype) -> None:
    """Turn `part` (see `export/sam_audio/parts.py`) into one that computes in `precision`, in place; float32 changes
    nothing."""
    part.precision = precision  # type: ignore[assignment]
    if precision == torch.float32:
        return
    wide = _WIDE_IN_BFLOAT16 if precision == torch.bfloat16 else _WIDE
    for parent in list(part.modules()):
        if isinstance(parent, Widened):
            continue
        for name, child in list(parent.named_children()):
            if isinstance(child, wide):
                setattr(parent, name, Widened(child))
    kept = {id(p) for m in part.modules() if isinstance(m, Widened | RmsNorm) for p in m.parameters()}
    for parameter in part.parameters():
        if id(parameter) not in kept:
            parameter.data = parameter.data.to(precision)
