"""A training run on disk: weights, their running mean, optimiser state, where it stood; written atomically."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine.errors import BadInput
from export.models.queried import Config, QueriedSeparator, config_of, core_name

FORMAT = 1
PARTS: dict[str, type | tuple[type, ...]] = {
    "concepts": list, "config": dict, "model": dict, "ema": dict, "optimiser": dict, "plan": dict, "steps": int,
    "elapsed_s": float, "last_state": (Tensor, type(None)),
}  # fmt: skip
"""What a checkpoint holds at least."""


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
        BadInput: there is none, it is damaged or of another format, or it lacks a part; names the file.
    """
    expected = "a checkpoint of export.train.separator"
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # of whatever kind: torch has none of its own for a file that is damaged or none of its
        raise BadInput(str(path), expected, _what_instead(path)) from error
    if not isinstance(content, dict) or "format" not in content:
        raise BadInput(str(path), expected, f"something else ({type(content).__name__})")
    if content["format"] != FORMAT:
        raise BadInput(str(path), f"a checkpoint of format {FORMAT}", f"format {content['format']}")
    for name, kind in PARTS.items():
        if name not in content or not isinstance(content[name], kind):
            raise BadInput(str(path), f"a checkpoint with {name}", content.get(name))
    return content


def _what_instead(path: Path) -> str:
    """What a file is that torch cannot read; torch's own words on it advise to load it unsafely."""
    try:
        with path.open("rb") as file:
            return "a damaged one" if file.read(2) == b"PK" else "a file of another kind"  # a checkpoint is a zip file
    except OSError as error:
        return error.strerror or str(error)


def describe(model: QueriedSeparator) -> dict[str, Any]:
    """What is needed to build the same model again."""
    config = model.core.config
    return {"concepts": model.concepts, "core": core_name(config), "config": asdict(config)}


def config(content: dict[str, Any]) -> Config:
    """Sizes of a checkpoint's core.

    Raises:
        BadInput: they cannot be.
    """
    core = str(content.get("core", "flat"))  # 0.1.0 named no core
    before = {"phase_bins": 0} if core == "linear" else {}  # up to 0.6.0 none heard phases
    return config_of(core, {**before, **content["config"]}, "checkpoint.config")


def build(content: dict[str, Any], *, averaged: bool = True) -> QueriedSeparator:
    """The model of a checkpoint, with the running mean of its weights (or the last ones), ready to infer.

    Raises:
        BadInput: its weights are not those of its core and concepts.
    """
    model = QueriedSeparator(list(content["concepts"]), config(content))
    weights: dict[str, Tensor] = content["ema" if averaged else "model"]
    try:
        model.load_state_dict({name: value.float() for name, value in weights.items()})
    except RuntimeError as error:
        raise BadInput("checkpoint", "weights of its own core and concepts", str(error)) from error
    return model.eval()


def require_finite(weights: Mapping[str, Tensor], field: str = "weights") -> None:
    """See whether all weights are numbers.

    Raises:
        BadInput: not all are; names the first tensor with others.
    """
    for name, value in weights.items():
        if wrong := int((~torch.isfinite(value)).sum()):
            raise BadInput(f"{field}.{name}", "finite numbers", f"{wrong} of {value.numel()} NaN or infinite")


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
