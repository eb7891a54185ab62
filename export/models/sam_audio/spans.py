"""Spans a prompt marks ("here it is", "here it is not") as the model takes them: tokens, and each frame's token.

Every item's list of tokens opens with `<null>` (frames in no span) and `<pad>` (frames past the item's end).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from engine.errors import BadInput

TOKENS = {"<null>": 0, "+": 1, "-": 2, "<pad>": 3}


@dataclass(frozen=True, slots=True)
class Span:
    """The target sounds (`+`) or does not (`-`) from `start_s` to `end_s`."""

    sign: Literal["+", "-"]
    start_s: float
    end_s: float

    def __post_init__(self) -> None:
        if self.sign not in ("+", "-"):
            raise BadInput("span.sign", "'+' or '-'", self.sign)
        if not 0 <= self.start_s < self.end_s < math.inf:
            raise BadInput("span", "0 <= start_s < end_s", (self.start_s, self.end_s))


class Anchors(NamedTuple):
    """`ids [B, A]` (tokens) and `alignment [B, T]` (which of an item's tokens a frame has)."""

    ids: Tensor
    alignment: Tensor


def anchors_of(spans: Sequence[Sequence[Span]], keep: Tensor, hop: int, sample_rate: int) -> Anchors:
    """The spans of each item of a batch; of two that overlap the later in the list counts.

    Args:
        keep: `[B, T]`, true on an item's own frames.
    """
    batch, frames = keep.shape
    longest = max((len(item) for item in spans), default=0)
    ids = torch.full((batch, 2 + longest), TOKENS["<pad>"])
    ids[:, 0] = TOKENS["<null>"]
    alignment = torch.zeros(batch, frames, dtype=torch.int64)
    for row, item in enumerate(spans):
        for number, span in enumerate(item, start=2):
            ids[row, number] = TOKENS[span.sign]
            first, last = (math.ceil(second * sample_rate / hop) for second in (span.start_s, span.end_s))
            alignment[row, first:last] = number
    alignment[~keep.cpu()] = 1
    return Anchors(ids.to(keep.device), alignment.to(keep.device))


def spans_of(active: Tensor, frame_s: float) -> list[Span]:
    """`+` spans of the runs of true frames, `active [T]`."""
    edges = torch.diff(torch.nn.functional.pad(active.to(torch.int8), (1, 1)))
    starts, ends = (edges == 1).nonzero()[:, 0].tolist(), (edges == -1).nonzero()[:, 0].tolist()
    return [Span("+", start * frame_s, end * frame_s) for start, end in zip(starts, ends, strict=True)]
