from __future__ import annotations

import json
from pathlib import Path

import pytest

from export.models.queried import QueriedSeparator
from export.train.cache import SampleStore
from export.train.corpus import SPEECH, Recording
from export.train.evaluate import evaluate, main, table


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
