from __future__ import annotations

from typing import Any

from export.card import write_card
from export.manifest import concept_entries
from export.models.flat import QueriedSeparator
from export.train.corpus import Recording
from tests.export.conftest import recording

RUN = {"steps": 1000, "elapsed_s": 3600.0, "plan": {"batch": 32, "minutes": 60.0}}


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
    card = write_card(model, data, concept_entries(model.concepts, scores["concepts"]), scores, RUN)
    assert "| rain | -1.50 | 6 | experimental |" in card
    assert "| speech | +4.25 | 90 | advertised |" in card
    assert "| whistle | not scored | 0 | experimental |" in card
    assert "| mean over the 1 advertised concepts | +4.25 dB |" in card
    assert "| someone/sounds | CC0 | 18 |" in card
    assert "| rain/fall | CC0 | 1 |" in card
    assert "1,000 steps" in card


def test_a_bundle_without_scores_says_so(model: QueriedSeparator, recordings: list[Recording]) -> None:
    assert "Not measured" in write_card(model, recordings, concept_entries(model.concepts, {}), {}, RUN)
