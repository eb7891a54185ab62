from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from export.models.sam_audio.config import SamAudioConfig, TransformerConfig
from export.models.sam_audio.errors import CheckpointError
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
