from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from export.errors import MissingDependency
from export.models.sam_audio.caption_encoder import caption_model, caption_tokens, first_token
from export.models.sam_audio.errors import CheckpointError
from tests.export.models.sam_audio.conftest import parsed


def test_one_layers_state_at_the_first_token() -> None:
    pytest.importorskip("transformers", reason="the optional package transformers is not installed")
    model = caption_model(parsed("judge_tiny.json")["config"]["text_model"], "the judge").eval()
    ids = torch.tensor([[1, 5, 2]])
    states = [first_token(model, layer, ids, None) for layer in (0, 3)]
    assert states[0].shape == (1, 32)
    assert not torch.equal(*states)


def test_a_folder_without_a_tokenizer_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="the optional package transformers is not installed")
    with pytest.raises(CheckpointError):
        caption_tokens(tmp_path, ["rain"], "the judge")


def test_without_the_package_the_error_names_the_feature(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingDependency, match="the judge"):
        caption_model({}, "the judge")
