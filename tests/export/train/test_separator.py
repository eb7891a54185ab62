from __future__ import annotations

import argparse
import dataclasses
import json
import signal
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from engine.errors import BadInput
from export.models.queried import QueriedSeparator
from export.train import checkpoint, procedural
from export.train.cache import SampleStore
from export.train.corpus import Recording
from export.train.procedural.kind import Kind
from export.train.separator import begin, main, parse, small_validation, tell_changes
from export.train.trainer import Plan, Trainer

PLAN = Plan(minutes=1.0, batch=3, rate=1e-3, bf16=False, log_every=2, save_every_s=15.0)


def test_validation_scores_the_running_mean(
    model: QueriedSeparator, recordings: list[Recording], store: SampleStore
) -> None:
    entry = small_validation([r for r in recordings if r.label == "rain"], store)(Trainer(model, PLAN))
    assert {"mean_db", "per_concept_db"} <= set(entry)


def test_what_is_planned_otherwise_after_a_resume_is_said(caplog: pytest.LogCaptureFixture) -> None:
    before = dataclasses.asdict(PLAN)
    tell_changes(before, before)
    assert not caplog.messages
    tell_changes(before, {**before, "batch": 5})
    assert caplog.messages == ["batch was 3 when this run began, and is 5 now"]


@pytest.mark.parametrize(
    "wrong",
    [
        *(["--minutes", text] for text in ("0", "-1", "nan", "inf", "x")),
        *(["--rate", text] for text in ("0", "-1", "nan")),
        *([option, text] for option in ("--batch", "--questions", "--threads", "--workers") for text in ("0", "-1")),
        ["--seed", "-1"], ["--seed", "1.5"], ["--drawers", "-1"],
        ["--drawers", "1", "--workers", "2"], ["--workers", "2", "--device", "cuda"],
        *(["--sizes", text] for text in ("{bad", '{"widht": 64}', "[1]", '{"width": "a"}', '{"width": 0}')),
    ],
)  # fmt: skip
def test_values_that_cannot_be(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        parse(["--data", "d", *wrong])
    assert stopped.value.code == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert wrong[0] in said
    assert "expected" in said


def test_a_run_begins_in_one_way(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--data", "d", "--resume", "--from", "x.pt"])
    assert "not allowed with" in capsys.readouterr().err


def test_the_command_line() -> None:
    options = parse(["--data", "d", "--minutes", "3", "--resume"])
    assert (options.data, options.minutes, options.resume, options.threads) == (Path("d"), 3.0, True, 1)
    assert parse(["--data", "d", "--core", "flat", "--sizes", '{"hidden": 64}']).sizes == {"hidden": 64}


def tiny_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Arguments of a run that its first step ends, on five recordings and a made sound."""
    kind = Kind("alarm", "test", lambda rng: rng.standard_normal(24_000), clips=2)
    monkeypatch.setattr(procedural, "KINDS", (kind,))
    rows = ["file,class,caption,source,licence,split,speaker,native_sr,seconds"]
    for number, label in enumerate(("rain", "rain", "whistle", "whistle", "whistle")):
        rng = np.random.default_rng(number)
        soundfile.write(tmp_path / f"{label}{number}.wav", 0.1 * rng.standard_normal(48_000), 48_000)
        rows.append(f"{label}{number}.wav,{label},a sound,someone/sounds,CC0,train,,48000,1.0")
    (tmp_path / "manifest.csv").write_text("\n".join(rows), encoding="utf-8")
    sizes = '{"width": 16, "inner": 16, "blocks": 2, "query": 8}'
    runs = tmp_path / "runs"
    return ["--data", str(tmp_path), "--runs", str(runs), "--sizes", sizes, "--batch", "2", "--minutes", "0.0001"]


def test_two_workers_train_from_an_empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a newcomer's first run: nothing decoded, nothing made. Followers may start no process of their own."""
    arguments, runs = tiny_command(tmp_path, monkeypatch), tmp_path / "runs"
    assert main([*arguments, "--workers", "2"]) == 0
    lines = [json.loads(line) for line in (runs / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["event"] for line in lines] == ["start", "validation", "end"]
    assert lines[0]["workers"] == 2
    content = checkpoint.load(runs / "latest.pt")
    assert content["concepts"] == ["alarm", "rain", "whistle"]
    assert main([*arguments, "--resume", "--minutes", str(content["elapsed_s"] / 60 + 1e-6)]) == 0
    assert checkpoint.load(runs / "latest.pt")["steps"] == content["steps"] + 1


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_run_that_has_ended_takes_no_further_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, workers: str
) -> None:
    arguments = tiny_command(tmp_path, monkeypatch)
    trainer = Trainer(QueriedSeparator(["alarm", "rain", "whistle"], parse(arguments).config), Plan(minutes=2.0))
    trainer.steps, trainer.elapsed_s = 7, 120.0
    checkpoint.save(tmp_path / "runs" / "latest.pt", trainer.content())
    before = (tmp_path / "runs" / "latest.pt").read_bytes()
    with caplog.at_level("INFO", logger="winnow.export"):
        assert main([*arguments, "--resume", "--minutes", "2", "--workers", workers]) == 0
    told = "this run has ended: it has had 2.00 minutes, 7 steps, and --minutes is 2; a larger one goes on"
    assert caplog.messages == [told]
    assert (tmp_path / "runs" / "latest.pt").read_bytes() == before
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["latest.pt"]


def test_a_command_that_a_signal_ends_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = tiny_command(tmp_path, monkeypatch)

    def interrupted(trainer: Trainer) -> dict[str, float]:
        signal.raise_signal(signal.SIGTERM)
        return {}

    monkeypatch.setattr("export.train.separator.small_validation", lambda held_out, store: interrupted)
    assert main(arguments) == 143
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith("python -m export.train.separator: stopped by SIGTERM at step 1, after ")
    assert said.endswith(f"--resume and a larger --minutes goes on from {tmp_path / 'runs' / 'latest.pt'}")
    assert checkpoint.load(tmp_path / "runs" / "latest.pt")["steps"] == 1


def test_a_command_that_a_signal_ends_early_has_changed_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = tiny_command(tmp_path, monkeypatch)
    monkeypatch.setattr("export.train.separator.open_recordings", lambda *_: signal.raise_signal(signal.SIGINT))
    assert main(arguments) == 130
    said = "stopped by SIGINT before its first step: nothing is changed, the same command begins again\n"
    assert capsys.readouterr().err == f"python -m export.train.separator: {said}"
    assert not list((tmp_path / "runs").iterdir())


def options_of(tmp_path: Path, *more: str) -> argparse.Namespace:
    sizes = '{"width": 32, "inner": 32, "blocks": 2, "query": 16}'
    return parse(["--data", str(tmp_path), "--runs", str(tmp_path), "--sizes", sizes, *more])


def test_what_a_run_resumes_has_its_words(model: QueriedSeparator, tmp_path: Path) -> None:
    began = Trainer(model, Plan(began_from="older.pt"))
    checkpoint.save(tmp_path / "latest.pt", began.content())
    again = Trainer(QueriedSeparator(model.concepts, model.core.config), Plan())
    begin(again, options_of(tmp_path, "--resume"))
    torch.testing.assert_close(again.model.vectors, model.vectors, rtol=0, atol=0)
    assert again.plan.began_from == "older.pt"
    renamed = ["sitar" if word == "rain" else word for word in model.concepts]
    with pytest.raises(BadInput, match="new: sitar; gone: rain"):
        begin(Trainer(QueriedSeparator(renamed, model.core.config), Plan()), options_of(tmp_path, "--resume"))


def test_what_a_run_starts_from_is_taken_over_by_word(
    model: QueriedSeparator, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoint.save(tmp_path / "older.pt", Trainer(model, Plan()).content())
    trainer = Trainer(QueriedSeparator([*model.concepts[1:], "sitar"], model.core.config), Plan())
    begin(trainer, options_of(tmp_path, "--from", str(tmp_path / "older.pt")))
    torch.testing.assert_close(trainer.model.vectors[:-1], model.vectors[1:], rtol=0, atol=0)
    torch.testing.assert_close(trainer.average.weights["vectors"], trainer.model.vectors.detach(), rtol=0, atol=0)
    assert "new ['sitar']; dropped ['speech']" in caplog.messages[0]


@pytest.mark.parametrize("more", [[], ["--resume"], ["--from", "/nope.pt"], ["--workers", "2"]])
def test_a_mistake_is_one_line_and_status_2(
    tmp_path: Path, more: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--data", str(tmp_path / "nowhere"), "--runs", str(tmp_path / "runs"), *more]) == 2
    said = capsys.readouterr().err
    assert said.startswith("python -m export.train.separator: error: ")
    assert said.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_a_run_that_is_there_is_left_alone(
    model: QueriedSeparator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint.save(tmp_path / "latest.pt", Trainer(model, Plan()).content())
    before = (tmp_path / "latest.pt").read_bytes()
    assert main(["--data", str(tmp_path), "--runs", str(tmp_path)]) == 2
    assert "latest.pt" in capsys.readouterr().err
    assert (tmp_path / "latest.pt").read_bytes() == before
    assert not (tmp_path / "log.jsonl").exists()
