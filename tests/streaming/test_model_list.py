"""`winnow models`: every bundle, and the broken ones with their reason."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from engine.bundle import list_bundles
from engine.spec import MODELS_FOLDER
from streaming import model_list
from streaming.model_list import describe_models, print_models


def test_embedded_models_are_described(capsys: pytest.CaptureFixture[str]) -> None:
    found = {one["name"]: one for one in describe_models()}
    assert found["identity"]["latency_ms"] == 20.0
    assert found["identity"]["sample_rate"] == 48000
    print_models(list(found.values()))
    assert "identity" in capsys.readouterr().out


def test_a_broken_bundle_is_named_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(MODELS_FOLDER / "identity", tmp_path / "good")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "spec.json").write_text("{}")
    monkeypatch.setattr(model_list, "list_bundles", lambda: list_bundles((tmp_path,)))
    broken, good = describe_models()
    assert "error" not in good
    assert "spec.json" in broken["error"] or "format" in broken["error"] or "name" in broken["error"]
    print_models([broken, good])
    assert "broken" in capsys.readouterr().out
