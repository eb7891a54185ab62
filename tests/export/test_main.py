from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

pytest.importorskip("onnx")

from engine.errors import BadInput
from export import manifest, parity
from export.__main__ import main
from export.card import REPORT_PARTS
from export.models.queried import QueriedSeparator
from export.train import checkpoint
from export.train.trainer import Plan, Trainer

MANIFEST = (
    "file,class,caption,source,licence,split,speaker,native_sr,seconds\nr.opus,rain,rain,x/y,CC0,train,,44100,2\n"
)


@pytest.fixture
def bundling(model: QueriedSeparator, tmp_path: Path) -> list[str]:
    """What bundles the tiny model into `tiny`."""
    (tmp_path / "manifest.csv").write_text(MANIFEST, encoding="utf-8")
    checkpoint.save(tmp_path / "run.pt", Trainer(model, Plan()).content())
    return ["bundle", "--checkpoint", str(tmp_path / "run.pt"), "--data", str(tmp_path),
            "--out", str(tmp_path / "tiny"), "--version", "1.2.3"]  # fmt: skip


def test_bundle_check_and_keep(
    bundling: list[str], model: QueriedSeparator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, out, kept = tmp_path / "run.pt", tmp_path / "tiny", tmp_path / "kept.pt"
    assert main(bundling) == 0
    assert "\\\n        --out engine/models/tiny --replace --version 1.2.3\n" in (out / "CARD.md").read_text(
        encoding="utf-8"
    )
    assert json.loads((out / "spec.json").read_text(encoding="utf-8"))["version"] == "1.2.3"
    assert main(["check", "--checkpoint", str(run), "--out", str(out)]) == 0
    assert main(["keep", "--checkpoint", str(run), "--out", str(kept)]) == 0
    printed = capsys.readouterr().out
    assert '"advertised": 0' in printed
    assert "kept.pt" in printed
    assert checkpoint.build(checkpoint.load(kept)).concepts == model.concepts
    assert not list(tmp_path.glob(".*"))


def test_what_stands_there_gives_way_only_if_asked(
    bundling: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, out, kept = tmp_path / "run.pt", tmp_path / "tiny", tmp_path / "kept.pt"
    keeping = ["keep", "--checkpoint", str(run), "--out", str(kept)]
    out.mkdir()
    for file in (out / "spec.json", kept):
        file.write_text("old", encoding="utf-8")
    for command in (bundling, keeping):
        assert main(command) == 2
        assert "--out: expected a f" in capsys.readouterr().err
    assert (out / "spec.json").read_text(encoding="utf-8") == kept.read_text(encoding="utf-8") == "old"
    for command in (bundling, keeping):
        assert main([*command, "--replace"]) == 0
    assert main(["check", "--checkpoint", str(kept), "--out", str(out)]) == 0


def test_a_bundle_that_fails_its_parity_leaves_the_older_one(
    bundling: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "separator.onnx").write_text("old", encoding="utf-8")
    monkeypatch.setattr(parity, "TOLERANCE", 0.0)
    assert main([*bundling, "--replace"]) == 1
    assert capsys.readouterr().err.startswith("winnow export bundle: error: ")
    assert main([*bundling, "--out", str(tmp_path / "other")]) == 1
    assert not (tmp_path / "other").exists()
    assert [file.name for file in (tmp_path / "tiny").iterdir()] == ["separator.onnx"]
    assert (tmp_path / "tiny" / "separator.onnx").read_text(encoding="utf-8") == "old"
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--checkpoint", "/nope"], "/nope: expected a checkpoint"),
        (["--data", "/nope"], "/nope/manifest.csv: expected a manifest"),
        (["--out", "Tiny Model"], "--out: expected a folder whose name"),
        (["--out", "run.pt"], "--out: expected a folder that is not there yet"),
        (["--scores", "/nope"], "--scores: expected a report of export.train.evaluate --json, got '/nope: No such"),
        (["--scores", "manifest.csv"], "--scores: expected a report"),
        (["--scores", "list.json"], "--scores: expected a report of export.train.evaluate --json, with concepts"),
        (["--scores", "others.json"], "--scores: expected a report of this checkpoint"),
    ],
)
def test_a_bundle_that_cannot_be_made(
    bundling: list[str], tmp_path: Path, more: list[str], told: str,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.json").write_text("[1]", encoding="utf-8")
    parts: dict[str, dict[str, dict[str, float]]] = {key: {"speech": {}} for key in REPORT_PARTS}
    (tmp_path / "others.json").write_text(json.dumps(parts), encoding="utf-8")
    assert main([*bundling, *more]) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "tiny").exists()


@pytest.mark.parametrize("version", [[], ["--version", "next"], ["--version", "1.2"]])
def test_a_bundle_needs_a_version(bundling: list[str], version: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([*bundling[:-2], *version])
    assert stopped.value.code == 2
    assert "--version" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [float("nan"), float("-inf")])
def test_weights_that_are_no_numbers_are_never_shipped(
    bundling: list[str], model: QueriedSeparator, tmp_path: Path, wrong: float, capsys: pytest.CaptureFixture[str]
) -> None:
    with torch.no_grad():
        next(model.core.parameters()).view(-1)[3] = wrong
    name = next(name for name, _ in model.core.named_parameters())
    checkpoint.save(tmp_path / "run.pt", Trainer(model, Plan()).content())
    keeping = ["keep", "--checkpoint", str(tmp_path / "run.pt"), "--out", str(tmp_path / "kept.pt")]
    for command in (bundling, keeping):
        assert main(command) == 2
        assert f"core.{name}: expected finite numbers, got '1 of " in capsys.readouterr().err
    with pytest.raises(BadInput, match=name):
        manifest.write_bundle(tmp_path / "tiny", model, {}, "# tiny", version="1.2.3", name="tiny")
    assert {path.name for path in tmp_path.iterdir()} == {"run.pt", "manifest.csv"}


def test_a_flat_core_is_not_rounded(
    bundling: list[str], flat_model: QueriedSeparator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint.save(tmp_path / "run.pt", Trainer(flat_model, Plan()).content())
    assert main([*bundling, "--int8"]) == 2
    assert "--int8: expected a checkpoint of a linear core" in capsys.readouterr().err


def test_a_bundle_is_checked_against_its_own_checkpoint(
    bundling: list[str], flat_model: QueriedSeparator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(bundling) == 0
    checkpoint.save(tmp_path / "flat.pt", Trainer(flat_model, Plan()).content())
    out = ["--out", str(tmp_path / "tiny")]
    assert main(["check", "--checkpoint", str(tmp_path / "flat.pt"), *out]) == 2
    assert "tiny was made of, got '--core flat" in capsys.readouterr().err
    assert main(["check", "--checkpoint", "/nope", *out]) == 2
    assert main(["check", "--checkpoint", str(tmp_path / "run.pt"), "--out", str(tmp_path / "nowhere")]) == 2
    (tmp_path / "tiny" / "concepts.json").write_text("[]", encoding="utf-8")
    assert main(["check", "--checkpoint", str(tmp_path / "run.pt"), *out]) == 2
    assert "concepts.json" in capsys.readouterr().err
    assert main(["keep", "--checkpoint", "/nope", "--out", str(tmp_path / "kept.pt")]) == 2
