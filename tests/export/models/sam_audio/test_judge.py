from __future__ import annotations

import json
from functools import reduce
from operator import getitem
from typing import Any

import pytest
import torch
from torch import Tensor

from export.models.sam_audio.errors import CheckpointError
from export.models.sam_audio.judge import Judge
from tests.export.models.sam_audio.conftest import DATA, arrays, close, parsed

pytest.importorskip("transformers", reason="the optional package transformers is not installed")


@pytest.fixture(scope="module")
def z() -> dict[str, Tensor]:
    return arrays("judge_tiny.npz")


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Judge:
    folder = tmp_path_factory.mktemp("judge")
    (folder / "config.json").write_text(json.dumps(parsed("judge_tiny.json")["config"]), encoding="utf-8")
    (folder / "model.safetensors").symlink_to(DATA / "judge_tiny.safetensors")
    return Judge.open(folder).requires_grad_(False)


@pytest.mark.parametrize(("case", "frames"), [("", 12), ("masked.", 7)])
def test_scores(case: str, frames: int, judge: Judge, z: dict[str, Tensor]) -> None:
    """In the fixture's masked case the second item is seven frames long, the first whole."""
    keep = torch.arange(12)[None] < torch.tensor([[12], [frames]])
    scores = judge(z["input_values"], z["separated_values"], z["input_ids"], z["attention_mask"], keep)
    for name, score in scores._asdict().items():
        close(score, z[case + name][:, 0])


def test_masked_attention_is_a_choice_and_changes_the_scores(judge: Judge, z: dict[str, Tensor]) -> None:
    keep = torch.arange(12)[None] < torch.tensor([[12], [7]])
    inputs = (z["input_values"], z["separated_values"], z["input_ids"], z["attention_mask"], keep)
    assert not torch.allclose(judge(*inputs).overall[1], judge(*inputs, mask_attention=True).overall[1], atol=1e-3)


def test_the_main_revisions_config_is_refused_by_name() -> None:
    with pytest.raises(CheckpointError, match="revision sam_audio"):
        Judge({"dac_vae_encoder": {}})


@pytest.mark.parametrize(
    ("place", "value", "match"),
    [
        (("bottleneck_dim",), "32", "bottleneck_dim: expected a whole number"),
        (("nth_text_layer",), 99, "nth_text_layer: expected one of text_model's layers"),
        (("transformer", "num_attention_heads"), 0, "num_attention_heads: expected"),
        (("transformer", "num_attention_heads"), 32, "channels of a head: expected an even number, got 1"),
        (("audio_codec", "sample_rate"), "fast", "audio_codec.sample_rate: expected"),
        (("text_model", "hidden_size"), "x", "text_model"),
        (("text_model", "num_attention_heads"), 0, "text_model"),
        (("text_model",), [], "text_model is no object"),
    ],
)
def test_a_value_that_cannot_be_is_named(place: tuple[str, ...], value: Any, match: str) -> None:
    raw = parsed("judge_tiny.json")["config"]
    *above, last = place
    reduce(getitem, above, raw)[last] = value
    with pytest.raises(CheckpointError, match=match), torch.device("meta"):
        Judge(raw)
