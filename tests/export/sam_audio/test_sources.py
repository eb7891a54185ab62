from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from export.models.sam_audio.errors import CheckpointError, MissingKeys, WrongShape
from export.sam_audio.sources import Source
from tests.export.tiny_sam_audio import write_judge, write_spans


def test_stages_in_order(source: Source) -> None:
    stages = source.stages(watermark=False, vision=False, spans=Path("a"), judge=Path("b"))
    assert [stage.names for stage in stages] == [
        ("text",),
        ("encoder", "decoder"),
        ("spans",),
        ("judge",),
        ("condition", "velocity"),
    ]
    assert source.has_vision


def test_t5_is_looked_for_beside_the_checkpoint(folders: Path, tmp_path: Path) -> None:
    assert Source.open(folders / "sam-audio-tiny", None).t5 == folders / "t5-base"
    shutil.copytree(folders / "sam-audio-tiny", tmp_path / "alone")
    with pytest.raises(CheckpointError, match="--t5"):
        Source.open(tmp_path / "alone", None)


def test_missing_weights_are_listed_before_anything_is_made(folders: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    shutil.copytree(folders / "sam-audio-tiny", tmp_path / "sam")
    weights = load_file(tmp_path / "sam" / "model.safetensors")
    del weights["transformer.norm.weight"], weights["proj.bias"]
    save_file(weights, tmp_path / "sam" / "model.safetensors")
    with pytest.raises(MissingKeys) as caught:
        Source.open(tmp_path / "sam", folders / "t5-base")
    assert set(caught.value.keys) == {"transformer.norm.weight", "proj.bias"}


PROJECTED = "vision_encoder.model.visual.proj"


@pytest.mark.parametrize(
    ("name", "vision"), [("proj.bias", False), ("audio_codec.encoder.block.0.bias", False), (PROJECTED, True)]
)
def test_a_wrong_shape_is_said_before_anything_is_read(name: str, vision: bool, folders: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    shutil.copytree(folders / "sam-audio-tiny", tmp_path / "sam")
    weights = load_file(tmp_path / "sam" / "model.safetensors")
    weights[name] = weights[name][:-1].clone()
    save_file(weights, tmp_path / "sam" / "model.safetensors")
    with pytest.raises(WrongShape, match=rf"^{name}: expected shape \[\d+.*, got \[\d+"):
        Source.open(tmp_path / "sam", folders / "t5-base").weights(vision=vision, spans=None, judge=None)


def test_an_unknown_tower_is_said_at_once_where_it_is_wanted(folders: Path, tmp_path: Path) -> None:
    shutil.copytree(folders / "sam-audio-tiny", tmp_path / "sam")
    config = json.loads((tmp_path / "sam" / "config.json").read_text(encoding="utf-8"))
    del config["vision_encoder"]["heads"]
    (tmp_path / "sam" / "config.json").write_text(json.dumps(config), encoding="utf-8")
    source = Source.open(tmp_path / "sam", folders / "t5-base")
    source.weights(vision=False, spans=None, judge=None)
    with pytest.raises(CheckpointError, match="heads of 'PE-Tiny' are not known"):
        source.weights(vision=True, spans=None, judge=None)


def test_span_predictor_and_judge_are_judged_without_reading_them(source: Source, tmp_path: Path) -> None:
    spans, judge = write_spans(tmp_path / "spans"), write_judge(tmp_path / "judge")
    counted = source.weights(vision=True, spans=spans, judge=judge)
    assert set(counted) == {"codec", "watermark", "field", "vision", "spans", "judge"}
    assert all(number > 1000 for number in counted.values())
    config = json.loads((spans / "config.json").read_text(encoding="utf-8"))
    config["audio_model"]["dac_vae_encoder"]["codebook_dim"] = 7
    (spans / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(WrongShape, match=r"audio_model\.data_proj\.weight: expected shape \[32, 7\], got \[32, 6\]"):
        source.weights(vision=False, spans=spans, judge=None)
    config = json.loads((judge / "config.json").read_text(encoding="utf-8"))
    config["audio_codec"]["sample_rate"] = 16_000
    (judge / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(CheckpointError, match="hears 16000 Hz"):
        source.weights(vision=False, spans=None, judge=judge)


def test_a_folder_that_is_none_and_a_field_that_is_missing_are_named(folders: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such folder"):
        Source.open(tmp_path / "nothing", None)
    shutil.copytree(folders / "sam-audio-tiny", tmp_path / "sam")
    config = json.loads((tmp_path / "sam" / "config.json").read_text(encoding="utf-8"))
    del config["transformer"]["dim"]
    (tmp_path / "sam" / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(CheckpointError, match="'dim'"):
        Source.open(tmp_path / "sam", None)


def test_a_judge_of_another_rate_is_refused(source: Source, tmp_path: Path) -> None:
    judge = write_judge(tmp_path / "judge")
    (stage,) = (
        stage
        for stage in source.stages(watermark=False, vision=False, spans=None, judge=judge)
        if stage.names == ("judge",)
    )
    assert [graph.name for graph in stage.open()] == ["judge"]
    config = json.loads((judge / "config.json").read_text(encoding="utf-8"))
    config["audio_codec"]["sample_rate"] = 16_000
    (judge / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(CheckpointError, match="hears 16000 Hz"):
        stage.open()
