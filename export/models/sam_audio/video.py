"""Visual prompts: frames and masks of any rate → one picture a latent frame, with what is not meant blanked.

The reference contradicts itself on what a mask marks (its pipeline blanks where the mask is set, its benchmark keeps
there). Here the caller says it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from engine.errors import BadInput

Marks = Literal["target", "hide"]
"""What is set in a mask: the target (all else is blanked) or what to hide."""


@dataclass(frozen=True, slots=True, eq=False)
class VisualPrompt:
    """Frames `[N, 3, height, width]` uint8, evenly spread over the clip, and masks `[N, height, width]` (any dtype, set
    where not zero) or None."""

    frames: Tensor
    mask: Tensor | None
    marks: Marks

    def __post_init__(self) -> None:
        if (
            self.frames.ndim != 4
            or self.frames.shape[1] != 3
            or self.frames.dtype != torch.uint8
            or not len(self.frames)
        ):
            raise BadInput(
                "frames", "uint8 [N, 3, height, width], N > 0", (self.frames.dtype, tuple(self.frames.shape))
            )
        n, _, height, width = self.frames.shape
        if self.mask is not None and self.mask.shape != (n, height, width):
            raise BadInput("mask", f"shape {(n, height, width)}", tuple(self.mask.shape))
        if self.marks not in ("target", "hide"):
            raise BadInput("marks", "'target' or 'hide'", self.marks)

    def blanked(self) -> Tensor:
        """The frames, black where they are not meant."""
        if self.mask is None:
            return self.frames
        kept = (self.mask != 0) if self.marks == "target" else (self.mask == 0)
        return self.frames * kept[:, None]


def at_latent_frames(pictures: Tensor, frames: int) -> Tensor:
    """`[N, …]` → `[frames, …]`: the nearest picture to each of `frames` instants spread from first to last."""
    return pictures[torch.linspace(0, len(pictures) - 1, frames).round().to(torch.int64)]
