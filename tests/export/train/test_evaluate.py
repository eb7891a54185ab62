from __future__ import annotations

import json
from pathlib import Path

import pytest

from export.models.linear import LinearConfig
from export.models.queried import QueriedSeparator
from export.train import checkpoint
from export.train.cache import SampleStore
from export.train.corpus import SPEECH, Recording
from export.train.evaluate import evaluate, main, table
from export.train.trainer import Plan, Trainer


def test_a_report_names_every_concept_and_is_json(
    model: QueriedSeparator, recordings: list[Recording], store: SampleStore
) -> None:
    report = evaluate(model.eval(), [r for r in recordings if r.label != "whistle"], store, per_concept=1, seconds=0.2)
    assert set(report["concepts"]) == set(model.concepts)
    assert report["concepts"]["whistle"] == {
        "si_sdr_improvement_db": None,
        "standard_error_db": None,
        "held_out_recordings": 0,
        "wrong_nearer": None,
    }
    assert set(report["umbrellas_db"]) == {"music", "instrument", "animal", "vehicle"}
    assert report["concepts"][SPEECH]["held_out_recordings"] == 6
    assert json.loads(json.dumps(report)) == report
    assert set(report["speech_against_noise_db"]) == {"+0 dB", "+5 dB", "+10 dB"}
    lines = table(report).splitlines()
    assert len(lines) == len(model.concepts) + 1
    assert lines[-2].startswith("whistle")


def test_scores_of_recordings_trained_on_make_no_card(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--checkpoint", "c", "--data", "d", "--side", "train", "--json", str(tmp_path / "scores.json")])
    assert "held-out recordings alone" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--checkpoint", "/nope"], "/nope: expected a checkpoint"),
        (["--data", "/nope"], "/nope/manifest.csv: expected a manifest"),
        (["--json", "/nope/scores.json"], "--json: expected a file in a folder that is there"),
        (["--cache", "run.pt"], "--cache: expected a folder that can be written"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(
    model: QueriedSeparator, tmp_path: Path, more: list[str], told: str,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    checkpoint.save(tmp_path / "run.pt", Trainer(model, Plan()).content())
    (tmp_path / "r.opus").write_text("never read", encoding="utf-8")
    (tmp_path / "manifest.csv").write_text(
        "file,class,caption,source,licence,split,speaker,native_sr,seconds\nr.opus,rain,rain,x/y,CC0,train,,44100,2\n",
        encoding="utf-8",
    )
    assert main(["--checkpoint", "run.pt", "--data", ".", *more]) == 2
    said = capsys.readouterr().err
    assert told in said
    assert said.count("\n") == 1


def test_mixtures_are_one_or_more(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--checkpoint", "c", "--data", "d", "--per-concept", "0"])
    assert "--per-concept: expected a whole number" in capsys.readouterr().err


def test_a_model_without_speech_is_scored(recordings: list[Recording], store: SampleStore) -> None:
    model = QueriedSeparator(["rain", "whistle"], LinearConfig(width=16, inner=16, blocks=2, query=8)).eval()
    report = evaluate(model, recordings, store, per_concept=1, seconds=0.2)
    assert set(report["speech_against_noise_db"].values()) == {None}
