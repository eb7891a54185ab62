from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from export.models.sam_audio.config import SamAudioConfig, TransformerConfig
from export.models.sam_audio.errors import CheckpointError, WrongField
from tests.export.models.sam_audio.conftest import parsed


@pytest.fixture
def raw() -> Any:
    return copy.deepcopy(parsed("config.json")["config"])


def test_sizes_come_from_the_file(config: SamAudioConfig) -> None:
    assert config.audio_codec.hop == 1920
    assert config.channels == 12
    assert config.transformer.head_dim == 16
    assert config.transformer.hidden == 128


@pytest.mark.parametrize(("dim", "hidden"), [(1536, 4096), (2048, 5504), (2816, 7552)])
def test_the_width_of_the_mlp_follows_from_dim(dim: int, hidden: int) -> None:
    assert TransformerConfig(dim, dim // 128, 1, 256).hidden == hidden


def test_rankers_and_what_is_not_known_are_tolerated(raw: Any, tmp_path: Path, config: SamAudioConfig) -> None:
    raw["text_ranker"] = {"kind": "ensemble", "rankers": {}}
    raw["of_a_later_release"] = 1
    (tmp_path / "config.json").write_text(json.dumps(raw), encoding="utf-8")
    assert SamAudioConfig.read(tmp_path) == config


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"transformer": {"qk_norm": False}}, "qk_norm"),
        ({"transformer": {"context_dim": 50}}, "context_dim"),
        ({"transformer": {"n_heads": 5}}, "n_heads"),
        ({"audio_codec": {"decoder_rates": [12, 10, 8]}}, "decoder_rates"),
        ({"in_channels": 30}, "in_channels"),
        ({"transformer": 3}, "transformer"),
    ],
)
def test_what_is_not_built_is_refused_by_name(raw: Any, change: dict[str, Any], names: str) -> None:
    for key, value in change.items():
        raw[key] = {**raw[key], **value} if isinstance(value, dict) else value
    with pytest.raises(CheckpointError, match=names):
        SamAudioConfig.from_dict(raw)


@pytest.mark.parametrize(
    ("part", "field", "value"),
    [
        ("transformer", "n_heads", 0),
        ("transformer", "n_heads", "3"),
        ("transformer", "n_heads", True),
        ("transformer", "dim", 48.0),
        ("transformer", "dim", None),
        ("transformer", "n_layers", -1),
        ("transformer", "n_layers", 10**6),
        ("transformer", "norm_eps", "small"),
        ("transformer", "norm_eps", 0),
        ("transformer", "ffn_exp", float("nan")),
        ("transformer", "ffn_dim_multiplier", True),
        ("transformer", "multiple_of", 0),
        ("audio_codec", "encoder_rates", 5),
        ("audio_codec", "encoder_rates", []),
        ("audio_codec", "encoder_rates", [2, 8, 10, "a"]),
        ("audio_codec", "decoder_rates", [2, 8, 0, 10]),
        ("audio_codec", "sample_rate", 0),
        ("audio_codec", "latent_dim", {}),
        ("text_encoder", "max_length", 0),
        ("text_encoder", "name", 3),
        ("vision_encoder", "normalize_feature", "yes"),
        ("vision_encoder", "heads", [16]),
        ("vision_encoder", "heads", [0, 8]),
        (None, "num_anchors", "3"),
        (None, "in_channels", None),
    ],
)
def test_a_value_of_another_type_or_range_is_named(raw: Any, part: str | None, field: str, value: Any) -> None:
    place = raw if part is None else raw[part]
    place[field] = value
    with pytest.raises(
        WrongField, match=rf"^config\.json: {part + '.' if part else ''}{field}: expected .*, got "
    ) as told:
        SamAudioConfig.from_dict(raw)
    assert told.value.got is value


@pytest.mark.parametrize(
    ("part", "change", "names"),
    [
        ("transformer", {"n_heads": 16}, "n_heads"),  # heads of three channels have no pairs to turn
        ("transformer", {"frequency_embedding_dim": 255}, "frequency_embedding_dim"),
        ("audio_codec", {"encoder_rates": [1920], "decoder_rates": [1920]}, "decoder_rates are four"),
        ("audio_codec", {"encoder_rates": [1, 3], "decoder_rates": [3, 1, 1, 1]}, "are even"),
    ],
)
def test_sizes_that_do_not_go_together_are_refused(raw: Any, part: str, change: Any, names: str) -> None:
    raw[part] |= change
    with pytest.raises(CheckpointError, match=names):
        SamAudioConfig.from_dict(raw)


def test_other_anchors_than_the_models_are_refused(raw: Any) -> None:
    with pytest.raises(CheckpointError, match="num_anchors is 3"):
        SamAudioConfig.from_dict(raw | {"num_anchors": 5})


def test_a_missing_size_is_no_default(raw: Any) -> None:
    del raw["transformer"]["dim"]
    with pytest.raises(CheckpointError, match="transformer: no field 'dim'"):
        SamAudioConfig.from_dict(raw)


def test_a_folder_without_a_readable_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"config\.json"):
        SamAudioConfig.read(tmp_path)
    (tmp_path / "config.json").write_text("[]", encoding="utf-8")
    with pytest.raises(CheckpointError, match="JSON object"):
        SamAudioConfig.read(tmp_path)
