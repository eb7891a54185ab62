from __future__ import annotations

import json
from functools import reduce
from operator import getitem
from typing import Any

import pytest
import torch
from torch import Tensor

from export.models.sam_audio.errors import CheckpointError
from export.models.sam_audio.span_predictor import THRESHOLD, SpanPredictor
from export.models.sam_audio.spans import spans_of
from tests.export.models.sam_audio.conftest import DATA, arrays, close, parsed

pytest.importorskip("transformers", reason="the optional package transformers is not installed")


@pytest.fixture(scope="module")
def z() -> dict[str, Tensor]:
    return arrays("span_tiny.npz")


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> SpanPredictor:
    folder = tmp_path_factory.mktemp("frame")
    (folder / "config.json").write_text(json.dumps(parsed("span_tiny.json")["config"]), encoding="utf-8")
    (folder / "model.safetensors").symlink_to(DATA / "span_tiny.safetensors")
    return SpanPredictor.open(folder).requires_grad_(False)


def test_every_stage(predictor: SpanPredictor, z: dict[str, Tensor]) -> None:
    keep = z["padding_mask"]
    close(predictor.audio_model(z["input_features"], keep)[keep], z["audio_last"][keep])
    close(predictor.embedded(z["input_features"], keep)[keep], z["audio_embeds"][keep])
    close(predictor.embedded_text(z["input_ids"], z["attention_mask"]), z["text_embeds"])
    close(predictor(z["input_features"], keep, z["input_ids"], z["attention_mask"])[keep], z["probs"][keep])


def test_spans(predictor: SpanPredictor, z: dict[str, Tensor]) -> None:
    heard = predictor(z["input_features"], z["padding_mask"], z["input_ids"], z["attention_mask"]) > THRESHOLD
    found = [[(s.start_s, s.end_s) for s in spans_of(row, 0.04)] for row in heard & z["padding_mask"]]
    for got, wanted in zip(found, parsed("span_tiny.json")["spans"], strict=True):
        assert torch.tensor(got).flatten().tolist() == pytest.approx(torch.tensor(wanted).flatten().tolist())


def test_a_config_of_another_kind_is_refused() -> None:
    with pytest.raises(CheckpointError, match="audio_model"):
        SpanPredictor({})


@pytest.mark.parametrize(
    ("place", "value", "match"),
    [
        (("output_dim",), 0, "output_dim: expected a whole number"),
        (("nth_text_layer",), None, "nth_text_layer: expected"),
        (("audio_model", "dac_vae_encoder"), 3, "dac_vae_encoder is no object"),
        (("audio_model", "audio_transformer", "hidden_size"), "wide", "hidden_size: expected"),
        (("audio_model", "audio_transformer", "rms_norm_eps"), -1, "rms_norm_eps: expected a number above 0"),
        (("text_model", "vocab_size"), "many", "text_model"),
    ],
)
def test_a_value_that_cannot_be_is_named(place: tuple[str, ...], value: Any, match: str) -> None:
    raw = parsed("span_tiny.json")["config"]
    *above, last = place
    reduce(getitem, above, raw)[last] = value
    with pytest.raises(CheckpointError, match=match), torch.device("meta"):
        SpanPredictor(raw)
