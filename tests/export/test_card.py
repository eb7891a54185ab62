from __future__ import annotations

from typing import Any

from export.card import write_card
from export.manifest import concept_entries
from export.models.queried import QueriedSeparator
from export.train.corpus import Recording
from tests.export.conftest import recording

RUN: dict[str, Any] = {"steps": 1000, "elapsed_s": 3600.0, "plan": {"batch": 32, "minutes": 60.0}}


def report() -> dict[str, Any]:
    return {
        "concepts": {
            "speech": {"si_sdr_improvement_db": 4.25, "held_out_recordings": 90},
            "rain": {"si_sdr_improvement_db": -1.5, "held_out_recordings": 6},
        },
        "mixtures": 40,
        "seed": 1,
        "speech_against_noise_db": {"+0 dB": 5.0},
        "everything_but_speech_db": 3.0,
        "absent_median_db": -22.0,
        "all_classes": {"absent_db": -21.0, "wrong_nearer": 0.05},
    }


def test_a_card_names_sources_licences_and_bad_scores(model: QueriedSeparator, recordings: list[Recording]) -> None:
    scores = report()
    data = [*recordings, recording("x.opus", "rain", source="rain/fall")]
    card = write_card(
        model, data, concept_entries(model.concepts, scores["concepts"]), scores, RUN, "tiny", version="1.2.3"
    )
    assert "| rain | -1.50 | 6 | experimental |" in card
    assert "| speech | +4.25 | 90 | advertised |" in card
    assert "| whistle | not scored | 0 | experimental |" in card
    assert "| mean over the 1 advertised concepts | +4.25 dB |" in card
    assert "| someone/sounds | CC0 | 18 |" in card
    assert "| rain/fall | CC0 | 1 |" in card
    assert "1,000 steps" in card


def test_a_bundle_without_scores_says_so(model: QueriedSeparator, recordings: list[Recording]) -> None:
    card = write_card(model, recordings, concept_entries(model.concepts, {}), {}, RUN, "tiny", version="1.2.3")
    assert "Not measured" in card
    assert "--scores" not in card
    assert "export.train.evaluate" not in card


def test_a_card_describes_the_network_it_is_about(
    model: QueriedSeparator, flat_model: QueriedSeparator, recordings: list[Recording]
) -> None:
    rows = concept_entries(model.concepts, {})
    linear = write_card(model, recordings, rows, {}, RUN, "tiny", version="1.2.3", int8=True)
    assert "# tiny" in linear
    assert "weights of 8 bits" in linear
    assert "2 × [norm → gated linear recurrence(32)" in linear
    assert "`state [B,960]`" in linear
    assert "GRU(32)" in write_card(flat_model, recordings, rows, {}, RUN, "tiny", version="1.2.3")


def test_a_card_names_what_synthetic_sounds_came_from(model: QueriedSeparator, recordings: list[Recording]) -> None:
    rows = concept_entries(model.concepts, {})
    plain = write_card(model, recordings, rows, {}, RUN, "tiny", version="1.2.3")
    assert "WORLD" not in plain
    run = {**RUN, "plan": {**RUN["plan"], "sing": True, "soundfont": "Fluid.sf2"}}
    card = write_card(model, recordings, rows, {}, run, "tiny", version="1.2.3")
    assert "WORLD vocoder" in card
    assert "soundfont Fluid.sf2" in card
    assert " --sing --soundfont Fluid.sf2\n" in card


def test_a_card_counts_what_all_workers_did(model: QueriedSeparator, recordings: list[Recording]) -> None:
    run = {**RUN, "workers": 2, "cpu_s": 3600.0}
    card = write_card(model, recordings, concept_entries(model.concepts, {}), {}, run, "tiny", version="1.2.3")
    assert "1,000 steps of 64 mixtures" in card
    assert "36 hours of mixtures" in card
    assert "2.00 core hours" in card
    assert " --workers 2\n" in card


def test_a_card_says_how_this_very_bundle_was_made(
    model: QueriedSeparator, flat_model: QueriedSeparator, recordings: list[Recording]
) -> None:
    rows, scores = concept_entries(model.concepts, {}), {**report(), "per_concept": 7}
    plan = {"batch": 24, "minutes": 82.0, "questions": 2, "rate": 0.002, "seed": 15, "began_from": "older.pt"}
    run = {**RUN, "plan": plan}
    rounded = write_card(model, recordings, rows, scores, run, "tiny", version="0.6.0", int8=True)
    plain = write_card(flat_model, recordings, rows, scores, run, "tiny", version="0.6.0")
    assert "--out engine/models/tiny --replace --version 0.6.0 --int8\n" in rounded
    assert "--out engine/models/tiny --replace --version 0.6.0\n" in plain
    assert "--per-concept 7 --json scores.json" in plain
    sizes = '{"width": 32, "inner": 32, "blocks": 2, "query": 16}'
    asked = "--batch 24 --questions 2 --rate 0.002 --seed 15 --from BEFORE/older.pt\n"
    assert f"--minutes 82 --core linear --sizes '{sizes}' {asked}" in rounded
    assert "BEFORE: a folder with that file" in rounded
    assert "export.train.average" not in rounded
    mean = write_card(model, recordings, rows, scores, {**run, "averaged": 2}, "tiny", version="0.6.0")
    assert "python -m export.train.average BEFORE/older.pt train-runs/latest.pt --out mean.pt\n" in mean
    assert "export bundle --checkpoint mean.pt" in mean
    assert """--core flat --sizes '{"hidden": 32, "query": 16}' --batch""" in plain
