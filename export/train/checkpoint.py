"""A training run on disk: weights, their running mean, optimiser state, where it stood; written atomically."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from export.models.queried import CONFIGS, QueriedSeparator, core_name

FORMAT = 1


def save(path: Path, content: dict[str, Any]) -> None:
    """Write `content` beside `path` and rename it into place: a reader never sees half a file.

    Raises:
        OSError: the folder is full or not writable.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.tmp")
    torch.save({"format": FORMAT, **content}, partial)
    partial.replace(path)


def load(path: Path) -> dict[str, Any]:
    """Read a checkpoint (tensors and plain values only, nothing is executed).

    Raises:
        OSError: it cannot be read.
        ValueError: it is of another format.
    """
    content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    if content.get("format") != FORMAT:
        raise ValueError(f"{path}: checkpoint format {content.get('format')!r}, this code reads {FORMAT}")
    return content


def describe(model: QueriedSeparator) -> dict[str, Any]:
    """What is needed to build the same model again."""
    config = model.core.config
    return {"concepts": model.concepts, "core": core_name(config), "config": asdict(config)}


def build(content: dict[str, Any], *, averaged: bool = True) -> QueriedSeparator:
    """The model of a checkpoint, with the running mean of its weights (or the last ones), ready to infer.

    Raises:
        KeyError, RuntimeError: the checkpoint lacks a part or does not fit.
    """
    config = CONFIGS[content.get("core", "flat")](**content["config"])  # the first release did not name its core
    model = QueriedSeparator(list(content["concepts"]), config)
    weights: dict[str, Tensor] = content["ema" if averaged else "model"]
    model.load_state_dict({name: value.float() for name, value in weights.items()})
    return model.eval()


def compact(content: dict[str, Any]) -> dict[str, Any]:
    """The same checkpoint in 10/16 of the bytes: last weights in float16, the optimiser's in bfloat16 (its squares
    underflow float16), the carried state left out. A run goes on from it; only "to the bit" is lost. The running mean
    stays as it is: the bundle made from it is the same.
    """
    half = {"model": {name: value.half() for name, value in content["model"].items()}}
    optimiser = dict(content["optimiser"])
    optimiser["state"] = {
        index: {n: v.bfloat16() if v.dim() else v for n, v in moments.items()}
        for index, moments in optimiser["state"].items()
    }
    return {**content, **half, "optimiser": optimiser, "last_state": None}


class Average:
    """Running mean of a model's weights: `mean = d · mean + (1 - d) · weight`, d ramping up to 0.999."""

    def __init__(self, model: torch.nn.Module, decay: float = 0.999) -> None:
        self._decay = decay
        self.weights = {name: value.detach().clone() for name, value in model.state_dict().items()}

    def update(self, model: torch.nn.Module, step: int) -> None:
        """Take in the weights after `step` steps (early on a shorter mean, else it would hold the random start)."""
        decay = min(self._decay, (1 + step) / (10 + step))
        with torch.no_grad():
            for name, value in model.state_dict().items():
                self.weights[name].lerp_(value, 1 - decay)
