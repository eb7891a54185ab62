from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from engine.errors import BadInput, CallerError
from export.models.flat import FlatConfig
from export.models.linear import LinearConfig
from export.models.queried import Config, QueriedSeparator
from export.train import checkpoint, procedural
from export.train.beginning import check, require_words, take_weights
from export.train.separator import parse
from export.train.trainer import Plan, Trainer
from tests.export.conftest import noise

SIZES = '{"width": 16, "inner": 16, "blocks": 2, "query": 8}'
SMALL = LinearConfig(width=16, inner=16, blocks=2, query=8)
HEADER = "file,class,caption,source,licence,split,speaker,native_sr,seconds\n"


def folder_of_data(folder: Path, *labels: str) -> Path:
    """A manifest with two recordings of a class, on the training side; no file of them is there."""
    folder.mkdir()
    rows = [f"{label}_{name}.wav,{label},x,x/y,CC0,train,,48000,1.0\n" for label in labels for name in ("up", "down")]
    (folder / "manifest.csv").write_text(HEADER + "".join(rows), encoding="utf-8")
    return folder


def save_run(path: Path, concepts: list[str], config: Config = SMALL) -> None:
    checkpoint.save(path, Trainer(QueriedSeparator(concepts, config), Plan()).content())


@pytest.fixture(autouse=True)
def nothing_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(procedural, "KINDS", ())


@pytest.fixture
def asked(tmp_path: Path) -> Callable[..., argparse.Namespace]:
    """Options of a small run on rain and wind."""
    data = folder_of_data(tmp_path / "data", "rain", "wind")
    arguments = ["--data", str(data), "--runs", str(tmp_path / "runs"), "--sizes", SIZES]
    return lambda *more: parse([*arguments, *more])


def test_a_run_that_can_begin_gets_its_folder(asked: Callable[..., argparse.Namespace], tmp_path: Path) -> None:
    check(asked())
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_run_is_not_begun_over_another(asked: Callable[..., argparse.Namespace], tmp_path: Path) -> None:
    save_run(tmp_path / "runs" / "latest.pt", ["rain", "wind"])
    with pytest.raises(BadInput, match=r"--resume goes on from it, another --runs .*, got '.*runs/latest\.pt'"):
        check(asked())
    with pytest.raises(BadInput, match="--runs: expected a folder without latest"):
        check(asked("--from", str(tmp_path / "runs" / "latest.pt")))
    check(asked("--resume"))


@pytest.mark.parametrize(
    ("config", "way", "told"),
    [
        (FlatConfig(hidden=16), "--resume", r"--resume: expected a checkpoint of --core linear --sizes"),
        (LinearConfig(width=8), "--resume", r"got '--core linear --sizes \\'\{\"width\": 8\}\\''"),
        (FlatConfig(hidden=16), "--from", r"--from: expected a checkpoint of --core linear --sizes"),
        (LinearConfig(), "--from", r"--from: .* has another core\), got '--core linear'"),
    ],
)
def test_a_checkpoint_of_another_core_is_refused(
    asked: Callable[..., argparse.Namespace], tmp_path: Path, config: Config, way: str, told: str
) -> None:
    path = tmp_path / ("runs" if way == "--resume" else "others") / "latest.pt"
    save_run(path, ["rain", "wind"], config)
    with pytest.raises(BadInput, match=told):
        check(asked(way, *([str(path)] if way == "--from" else [])))


@pytest.mark.parametrize("way", [["--resume"], ["--from", "/nope/latest.pt"]])
def test_a_checkpoint_that_is_not_there_is_named(asked: Callable[..., argparse.Namespace], way: list[str]) -> None:
    with pytest.raises(BadInput, match=r"latest\.pt: expected a checkpoint .* got 'No such file or directory'"):
        check(asked(*way))


@pytest.mark.parametrize("way", ["--resume", "--from"])
def test_a_checkpoint_with_weights_that_are_no_numbers_is_refused(
    asked: Callable[..., argparse.Namespace], tmp_path: Path, way: str
) -> None:
    path = tmp_path / ("runs" if way == "--resume" else "others") / "latest.pt"
    trainer = Trainer(QueriedSeparator(["rain", "wind"], SMALL), Plan())
    with torch.no_grad():
        trainer.model.vectors[0, 0] = torch.nan
        trainer.average = checkpoint.Average(trainer.model)
    checkpoint.save(path, trainer.content())
    with pytest.raises(BadInput, match=r"latest\.pt: weights\.vectors: expected finite numbers"):
        check(asked(way, *([str(path)] if way == "--from" else [])))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["rain", "snow"], r"--resume: .* \(new: wind; gone: snow; --from .* got '.*data'"),
        (["rain"], r"\(new: wind; --from"),
        (["cat", "rain", "wind"], r"\(gone: cat; --from"),
        ([*(f"a{k}" for k in range(10)), "rain", "wind"], r"gone: a0, .*, a7 and 2 more;"),
    ],
)
def test_a_run_is_gone_on_with_by_its_own_words_alone(
    asked: Callable[..., argparse.Namespace], tmp_path: Path, words: list[str], told: str
) -> None:
    save_run(tmp_path / "runs" / "latest.pt", words)
    with pytest.raises(BadInput, match=told):
        check(asked("--resume"))


def test_words_that_may_yet_be_made_are_not_missed(
    asked: Callable[..., argparse.Namespace], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_run(tmp_path / "runs" / "latest.pt", ["rain", "singing", "wind"])
    with pytest.raises(BadInput, match="gone: singing"):
        check(asked("--resume"))
    monkeypatch.setitem(sys.modules, "pyworld", sys)
    check(asked("--resume", "--sing"))
    with pytest.raises(BadInput, match="gone: singing"):
        require_words(asked("--resume", "--sing"), ["rain", "singing", "wind"], ["rain", "wind"])


def test_the_same_words_in_another_order_are_not_the_same(asked: Callable[..., argparse.Namespace]) -> None:
    require_words(asked(), ["rain", "wind"], ["rain", "wind"])
    with pytest.raises(BadInput, match=r"in their order .*, got \['wind', 'rain'\]"):
        require_words(asked(), ["wind", "rain"], ["rain", "wind"])


def test_weights_are_taken_over_word_by_word() -> None:
    torch.manual_seed(0)
    start = QueriedSeparator(["speech", "cat", "rain"], SMALL)
    model = QueriedSeparator(["speech", "rain", "wind"], SMALL)
    fresh = model.vectors[2].clone()
    assert take_weights(model, start) == (["wind"], ["cat"])
    torch.testing.assert_close(model.vectors[:2], start.vectors[[0, 2]], rtol=0, atol=0)
    torch.testing.assert_close(model.vectors[2], fresh, rtol=0, atol=0)
    for name, value in start.core.state_dict().items():
        torch.testing.assert_close(model.core.state_dict()[name], value, rtol=0, atol=0)
    assert model.vectors.requires_grad


def test_a_run_may_begin_with_weights_that_heard_no_phases(
    asked: Callable[..., argparse.Namespace], tmp_path: Path
) -> None:
    """They hear what they heard, at first; but such a run itself is not gone on with."""
    deaf = replace(SMALL, phase_bins=0)
    save_run(tmp_path / "others" / "latest.pt", ["rain", "wind"], deaf)
    check(asked("--from", str(tmp_path / "others" / "latest.pt")))
    save_run(tmp_path / "runs" / "latest.pt", ["rain", "wind"], deaf)
    with pytest.raises(BadInput, match=r"--resume: .* has another core\), got"):
        check(asked("--resume"))
    start, model = QueriedSeparator(["rain"], deaf), QueriedSeparator(["rain"], SMALL)
    take_weights(model, start)
    spectrum, query, hint = noise(1, 4), start.vectors, torch.zeros(1, 4, 2)
    with torch.no_grad():
        before, after = (one.core(spectrum, query, hint, one.initial_state(1))[0] for one in (start, model))
    torch.testing.assert_close(after, before)


def test_equal_words_take_over_everything() -> None:
    start, model = QueriedSeparator(["cat", "rain"], SMALL), QueriedSeparator(["cat", "rain"], SMALL)
    assert take_weights(model, start) == ([], [])
    for name, value in start.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], value, rtol=0, atol=0)


def test_what_cannot_be_is_told_before_a_folder_is_made(
    asked: Callable[..., argparse.Namespace], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "text.sf2").write_text("no soundfont", encoding="utf-8")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    (tmp_path / "good.sf2").write_bytes(b"RIFF\0\0\0\0sfbk")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for module in ("fluidsynth", "pyworld"):
        monkeypatch.setitem(sys.modules, module, None)
    for wrong, told in (
        (["--device", "cuda"], "--device: expected cpu"),
        (["--compile"], r"--compile: expected a C\+\+ compiler"),
        (["--soundfont", "/nope.sf2"], r"--soundfont: expected a soundfont, got '/nope\.sf2: No such file"),
        (["--soundfont", str(tmp_path / "text.sf2")], r"--soundfont: expected a soundfont \(\.sf2\)"),
        (
            ["--soundfont", str(tmp_path / "good.sf2")],
            r"--soundfont \(.*libfluidsynth3\) needs .*live\[midi\]'",
        ),
        (["--sing"], r"--sing \(.*pyworld.*\) needs the package 'pyworld': pip install 'winnow-live\[sing\]'"),
        (["--data", "/nope"], r"/nope/manifest\.csv: expected a manifest of recordings"),
    ):
        with pytest.raises(CallerError, match=told):
            check(asked(*wrong))
    assert not (tmp_path / "runs").exists()
    (tmp_path / "runs").write_text("mine", encoding="utf-8")
    with pytest.raises(BadInput, match="--runs: expected a folder that can be written"):
        check(asked())
