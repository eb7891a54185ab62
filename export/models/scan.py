"""`h[t] = keep[t] · h[t-1] + add[t]` over time, forward and backward: the only part of the linear core that goes hop by
hop. Its backward pass is the same recurrence run backwards (Martin and Cundy 2018, section 2)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class _LinearScan(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, keep: Tensor, add: Tensor, first: Tensor) -> Tensor:
        out = torch.empty_like(add, memory_format=torch.contiguous_format)
        hidden = first
        for now, kept, added in zip(out.unbind(0), keep.unbind(0), add.unbind(0), strict=True):
            hidden = torch.addcmul(added, kept, hidden, out=now)
        ctx.save_for_backward(keep, first, out)
        return out

    @staticmethod
    def backward(ctx: Any, *wanted: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        keep, first, hidden = ctx.saved_tensors
        (given,) = wanted
        out = torch.empty_like(given, memory_format=torch.contiguous_format)
        times, kept, given_at = out.unbind(0), keep.unbind(0), given.unbind(0)
        times[-1].copy_(given_at[-1])
        for t in range(len(times) - 2, -1, -1):
            torch.addcmul(given_at[t], kept[t + 1], times[t + 1], out=times[t])
        before = torch.cat([first[None], hidden[:-1]])
        return out * before, out, out[0] * keep[0]


def linear_scan(keep: Tensor, add: Tensor, first: Tensor) -> Tensor:
    """`keep`, `add [T, B, n]`, `first [B, n]`, float32 → `[T, B, n]`; differentiable in all three."""
    out: Tensor = _LinearScan.apply(keep, add, first)  # type: ignore[no-untyped-call]
    return out
