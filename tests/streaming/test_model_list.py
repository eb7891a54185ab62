"""`winnow models`: every bundle, and the broken ones with their reason."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from engine.errors import BadInput
from engine.spec import MODELS_FOLDER, load_spec
from streaming.model_list import describe_models, print_models
from tests.engine.flow import FOLDER


def test_embedded_models_are_described(capsys: pytest.CaptureFixture[str]) -> None:
    found = {one["name"]: one for one in describe_models()}
    assert found["identity"]["latency_ms"] == 20.0
    assert found["identity"]["sample_rate"] == 48000
    print_models(list(found.values()))
    said = " ".join(capsys.readouterr().out.split())
    assert "identity" in said
    (default,) = [one for one in found.values() if one["default"]]
    assert all(word in said for word in (*default["advertised"], *default["experimental"]))


def test_a_broken_bundle_is_named_with_its_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(MODELS_FOLDER / "identity", tmp_path / "good")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "spec.json").write_text("{}")
    broken, good = describe_models(tmp_path)
    assert "error" not in good
    assert "spec.json" in broken["error"] or "format" in broken["error"] or "name" in broken["error"]
    print_models([broken, good])
    assert "broken" in capsys.readouterr().out


def test_a_bundle_that_reads_any_words_is_not_broken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if not FOLDER.is_dir():
        pytest.skip("tests/data/sam_audio/bundle is not there")
    (tiny,) = describe_models(FOLDER)
    assert tiny["name"] == load_spec(FOLDER).name != FOLDER.name
    assert "error" not in tiny
    assert tiny["any_words"]
    assert set(tiny["modes"]) == {"quality", "balanced", "low_latency"}
    assert tiny["modes"]["low_latency"] < tiny["modes"]["quality"]
    assert tiny["also"] == ["vision", "watermark"]
    print_models([tiny])
    assert "low_latency (" in " ".join(capsys.readouterr().out.split())
    with pytest.raises(BadInput) as caught:
        describe_models(tmp_path)
    assert caught.value.field == "folder"
