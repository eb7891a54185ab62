from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("onnx")
pytest.importorskip("matplotlib")

from export.models.linear import LinearConfig
from export.models.queried import QueriedSeparator
from export.train import checkpoint
from export.train.cache import SampleStore
from export.train.compare import compared, draw, main, quality, streams_per_core
from export.train.corpus import Recording
from export.train.trainer import Plan, Trainer


def test_streams_are_the_hops_that_fit_into_ten_milliseconds() -> None:
    assert streams_per_core({"1": 0.25, "16": 0.8}) == {"1": 40, "16": 200}


def test_a_checkpoint_is_scored_timed_and_drawn(
    model: QueriedSeparator, recordings: list[Recording], store: SampleStore, tmp_path: Path
) -> None:
    checkpoint.save(tmp_path / "run.pt", Trainer(model, Plan()).content())
    rows = compared(tmp_path / "run.pt", recordings, store, count=1, calls=3)
    assert [row["int8"] for row in rows] == [False, True]
    assert rows[0]["core"] == "linear 32"
    assert rows[0]["speech_db"] == rows[1]["speech_db"]
    assert set(rows[0]["streams_per_core"]["cold"]) == {"1", "4", "8", "16"}
    draw(rows, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size < 150_000


def test_only_classes_that_a_model_knows_are_compared(recordings: list[Recording], store: SampleStore) -> None:
    model = QueriedSeparator(["cough", "rain"], LinearConfig(width=16, inner=16, blocks=2, query=8)).eval()
    assert quality(model, recordings, store, count=1)["speech_db"] == 0.0


def test_a_mistake_is_one_line_and_status_2(
    model: QueriedSeparator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, good = tmp_path / "run.pt", tmp_path / "out"
    checkpoint.save(run, Trainer(model, Plan()).content())
    for checkpoints, data, out, told in (
        (["/nope"], tmp_path, good, "/nope: expected a checkpoint"),
        ([str(run)], Path("/nope"), good, "/nope/manifest.csv: expected a manifest"),
        ([str(run)], tmp_path, Path("/nope/out"), "--out: expected a file in a folder that is there"),
    ):
        options = ["--data", str(data), "--cache", str(tmp_path / "cache"), "--out", str(out)]
        assert main([*checkpoints, *options]) == 2
        said = capsys.readouterr().err
        assert told in said
        assert said.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["run.pt"]


def test_a_library_that_is_missing_is_told_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("export.train.compare.find_spec", lambda name: None)
    assert main(["/nope", "--data", "/nope", "--cache", "/nope", "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.endswith("needs the package 'matplotlib': pip install 'winnow-live[server]'\n")
