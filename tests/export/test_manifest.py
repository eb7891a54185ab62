from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")

from engine.errors import TamperedBundle
from engine.spec import load_spec
from export.manifest import concept_entries, timings, write_bundle
from export.models.queried import QueriedSeparator

SCORES: dict[str, dict[str, float | None]] = {
    "speech": {"si_sdr_improvement_db": 4.2, "held_out_recordings": 90},
    "drums": {"si_sdr_improvement_db": 3.0, "standard_error_db": 1.6, "held_out_recordings": 9},
    "rain": {"si_sdr_improvement_db": 3.0, "held_out_recordings": 3},
    "whistle": {"si_sdr_improvement_db": 0.4, "held_out_recordings": 9},
    "cat": {"si_sdr_improvement_db": None, "held_out_recordings": 0},
}


def test_only_what_scores_on_enough_recordings_is_advertised() -> None:
    entries = concept_entries([*SCORES, "never scored"], SCORES)
    assert [e["status"] for e in entries] == ["advertised", *["experimental"] * 5]
    assert [e["label"] for e in entries] == [*SCORES, "never scored"]
    assert entries[-1]["si_sdr_improvement_db"] is None


def test_a_rounded_bundle_says_how_far_it_is_off(model: QueriedSeparator, tmp_path: Path) -> None:
    written = write_bundle(tmp_path / "tiny", model, {}, "# tiny\n", version="1.0.0", name="tiny", int8=True)
    assert set(written.parity) == {"torch_vs_graph", "steps_vs_call", "alone_vs_batch"}


def test_a_bundle_loads_and_a_changed_one_does_not(model: QueriedSeparator, tmp_path: Path) -> None:
    folder = tmp_path / "tiny"
    written = write_bundle(folder, model, {"concepts": SCORES}, "# tiny\n", version="1.2.3", name="tiny")
    spec = load_spec(folder)
    assert spec == written
    assert (spec.audio.window, spec.audio.hop, spec.audio.latency) == (960, 480, 960)
    assert (spec.states[0].shape, spec.states[0].batch_axis) == ((5 * 192,), 0)
    assert set(spec.parity) == {"torch_vs_graph", "steps_vs_call"}
    labels = [entry["label"] for entry in json.loads((folder / "concepts.json").read_text(encoding="utf-8"))]
    assert labels == model.concepts
    vectors = np.load(folder / "concept_vectors.npy")
    assert (vectors.dtype, vectors.shape) == (np.float32, (len(labels), 16))
    assert set(timings(model, folder)) == {"1 × 1", "8 × 1", "16 × 1", "1 × 100"}
    (folder / "concepts.json").write_text("[]", encoding="utf-8")
    with pytest.raises(TamperedBundle, match="concepts"):
        load_spec(folder)
