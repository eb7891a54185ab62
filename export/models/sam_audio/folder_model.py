"""A model that lies in a folder of its own, beside the separator: `config.json`, weights and a tokenizer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import nn

from export.models.sam_audio.checkpoint import Checkpoint
from export.models.sam_audio.config import read_json


class FolderModel(nn.Module):
    """What judge and span predictor have in common; made of the content of `config.json`."""

    NOT_READ: ClassVar[tuple[str, ...]]
    """Prefixes of weights that the folder holds and this model does without."""

    def __init__(self, raw: Mapping[str, Any]) -> None:
        super().__init__()
        self.folder: Path | None = None

    @classmethod
    def open(cls, folder: Path) -> Self:
        """From a folder with `config.json`, weights and tokenizer.

        Raises:
            CheckpointError: see `Checkpoint.load`.
            MissingDependency: `transformers` is not installed.
        """
        model = cls(read_json(folder / "config.json"))
        Checkpoint.open(folder).load(model, ignored=cls.NOT_READ)
        model.folder = folder
        return model.eval()

    @classmethod
    def required(cls, folder: Path) -> Self:
        """As `open`, on the meta device: everything is judged, no weight is read.

        Raises:
            CheckpointError, MissingDependency: see `open`.
        """
        with torch.device("meta"):
            model = cls(read_json(folder / "config.json"))
        Checkpoint.open(folder).require(model, ignored=cls.NOT_READ)
        return model
