"""`benchmarks.report`: what every kept result says of itself."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from benchmarks import report
from engine.bundle import load_bundle


def kept(folder: Path, **asked: str) -> dict[str, object]:
    report.finish("tried", {"found": 3}, argparse.Namespace(keep=True, label="here", **asked))
    record: dict[str, object] = json.loads((folder / "tried-here.json").read_text(encoding="utf-8"))
    return record


def test_a_kept_result_names_the_bundle_and_its_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    record = kept(tmp_path, model="default")
    spec = load_bundle("default").spec
    assert record["bundle"] == f"{spec.name} {spec.version}"
    assert (record["benchmark"], record["found"]) == ("tried", 3)
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == record


def test_a_benchmark_without_a_model_names_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    assert "bundle" not in kept(tmp_path)
