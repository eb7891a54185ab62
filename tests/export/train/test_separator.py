from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from engine.errors import BadInput
from export.models.queried import QueriedSeparator
from export.train import checkpoint, procedural
from export.train.batches import BatchMaker
from export.train.cache import SampleStore
from export.train.corpus import Recording
from export.train.procedural.kind import Kind
from export.train.scenes import SceneMaker
from export.train.separator import Plan, Trainer, begin, main, parse, rate_at, run, small_validation, tell_changes
from tests.export.conftest import batch_maker

PLAN = Plan(minutes=1.0, batch=3, rate=1e-3, bf16=False, log_every=2, save_every_s=15.0)


def clock(step_s: float = 5.0) -> Callable[[], float]:
    """A clock on which every step takes five seconds."""
    return itertools.count(100.0, step_s).__next__


def test_the_rate_warms_up_and_falls() -> None:
    plan = Plan(rate=1.0, warm_up=0.1, last_rate=0.02)
    assert rate_at(0.05, plan) == pytest.approx(0.5)
    assert rate_at(0.1, plan) == pytest.approx(1.0)
    assert rate_at(1.0, plan) == pytest.approx(0.02)
    assert rate_at(2.0, plan) == pytest.approx(0.02)


def test_steps_on_one_batch_descend(model: QueriedSeparator, maker: BatchMaker) -> None:
    trainer, batch = Trainer(model, PLAN), maker.make(0)
    trainer.elapsed_s = 5.0
    losses = [float(trainer.step(batch).total.detach()) for _ in range(12)]
    assert losses[-1] < losses[0] - 0.02


def test_bfloat16_steps_stay_finite(model: QueriedSeparator, maker: BatchMaker) -> None:
    trainer = Trainer(model, Plan())
    assert torch.isfinite(trainer.step(maker.make(0)).total)


def test_a_step_without_a_finite_gradient_changes_nothing(model: QueriedSeparator, maker: BatchMaker) -> None:
    trainer, batch = Trainer(model, PLAN), maker.make(0)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    trainer.step(dataclasses.replace(batch, own=batch.own * torch.nan))
    assert trainer.steps == 1
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)
    assert torch.isfinite(trainer.step(batch).total)


def test_a_flat_core_is_trained_on_bins(flat_model: QueriedSeparator, scenes: SceneMaker, store: SampleStore) -> None:
    maker = batch_maker(scenes, store, flat_model.concepts, size=3, banded=flat_model.banded)
    trainer = Trainer(flat_model, PLAN)
    assert all(torch.isfinite(trainer.step(maker.make(number)).total) for number in range(2))
    assert trainer.last_state is not None
    assert trainer.last_state.shape == (2, 6, 32)


def test_a_resumed_run_ends_like_an_unbroken_one(model: QueriedSeparator, maker: BatchMaker, tmp_path: Path) -> None:
    """To the bit: same batches, same optimiser, same states, same learning rates."""
    start = {name: value.clone() for name, value in model.state_dict().items()}

    def fresh() -> Trainer:
        other = QueriedSeparator(model.concepts, model.core.config)
        other.load_state_dict(start)
        return Trainer(other, PLAN)

    def advance(trainer: Trainer, steps: int) -> None:
        for _ in range(steps):
            trainer.step(maker.make(trainer.steps))
            trainer.elapsed_s += 5.0

    whole, first, second = fresh(), fresh(), fresh()
    advance(whole, 5)
    advance(first, 3)
    checkpoint.save(tmp_path / "latest.pt", first.content())
    second.restore(checkpoint.load(tmp_path / "latest.pt"))
    advance(second, 2)
    assert second.steps == 5
    for name, value in whole.model.state_dict().items():
        torch.testing.assert_close(second.model.state_dict()[name], value, rtol=0, atol=0)
        torch.testing.assert_close(second.average.weights[name], whole.average.weights[name], rtol=0, atol=0)


def test_a_run_ends_by_the_clock_and_leaves_log_and_checkpoint(
    model: QueriedSeparator, maker: BatchMaker, tmp_path: Path
) -> None:
    batches = (maker.make(number) for number in itertools.count())
    run(Trainer(model, PLAN), batches, tmp_path, lambda trainer: {"mean_db": 1.0}, clock())
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    events = [line["event"] for line in lines]
    assert events[0] == "start"
    assert events[-2:] == ["validation", "end"]
    assert events.count("train") == 6
    assert lines[-1]["steps"] == 12
    assert checkpoint.load(tmp_path / "latest.pt")["steps"] == 12


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


def test_two_workers_train_from_an_empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a newcomer's first run: nothing decoded, nothing made. Followers may start no process of their own."""
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
    arguments = ["--data", str(tmp_path), "--runs", str(runs), "--sizes", sizes, "--batch", "2", "--minutes", "0.0001"]
    assert main([*arguments, "--workers", "2"]) == 0
    lines = [json.loads(line) for line in (runs / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["event"] for line in lines] == ["start", "validation", "end"]
    assert lines[0]["workers"] == 2
    content = checkpoint.load(runs / "latest.pt")
    assert content["concepts"] == ["alarm", "rain", "whistle"]
    assert main([*arguments, "--resume"]) == 0
    assert checkpoint.load(runs / "latest.pt")["steps"] == content["steps"] + 1


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
