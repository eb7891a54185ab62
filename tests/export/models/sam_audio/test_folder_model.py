from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from export.models.sam_audio.errors import CheckpointError
from export.models.sam_audio.folder_model import FolderModel


class Small(FolderModel):
    NOT_READ = ("unread.",)

    def __init__(self, raw: Mapping[str, Any]) -> None:
        super().__init__(raw)
        self.line = nn.Linear(raw["width"], 2)


def folder(place: Path, **weights: torch.Tensor) -> Path:
    (place / "config.json").write_text(json.dumps({"width": 3}), encoding="utf-8")
    torch.save(weights, place / "checkpoint.pt")
    return place


def test_it_opens_with_its_weights_and_knows_its_folder(tmp_path: Path) -> None:
    weight = torch.arange(6.0).reshape(2, 3)
    place = folder(tmp_path, **{"line.weight": weight, "line.bias": torch.ones(2), "unread.x": torch.zeros(1)})
    model = Small.open(place)
    assert torch.equal(model.line.weight, weight)
    assert model.folder == place
    assert not model.training


def test_what_is_required_is_judged_without_reading_it(tmp_path: Path) -> None:
    place = folder(tmp_path, **{"line.weight": torch.zeros(2, 3), "line.bias": torch.ones(2)})
    model = Small.required(place)
    assert model.line.weight.is_meta
    assert model.folder is None


@pytest.mark.parametrize("way", [Small.open, Small.required])
def test_a_missing_weight_is_named(tmp_path: Path, way: Any) -> None:
    with pytest.raises(CheckpointError, match=r"line\.bias"):
        way(folder(tmp_path, **{"line.weight": torch.zeros(2, 3)}))
