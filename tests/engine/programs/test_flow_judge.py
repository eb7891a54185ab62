"""`engine.programs.flow_judge`: the reference's scores, out of the frozen graph."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.errors import BundleError, EngineFault
from engine.programs.flow_judge import Judge, Scores
from engine.runtimes.graphs import Graphs
from engine.spec import FlowSpec, load_spec
from tests.engine.flow import FOLDER, JUDGE_FOLDER, open_graphs
from tests.engine.streams import noise


@pytest.fixture(scope="module")
def graphs() -> Graphs:
    open_graphs()
    from engine.runtimes.onnx_graphs import OnnxGraphs

    return OnnxGraphs(JUDGE_FOLDER, {"judge": "judge.onnx"}, "cpu", 1, "judge")


@pytest.fixture(scope="module")
def flow() -> FlowSpec:
    found = load_spec(FOLDER).flow
    assert found is not None
    return found


def test_the_frozen_graph_scores_as_the_reference_did(graphs: Graphs) -> None:
    z = np.load(FOLDER.parent / "judge_tiny.npz")
    told = graphs.run("judge", {
        "mix": z["input_values"],
        "separated": z["separated_values"],
        "tokens": z["input_ids"].astype(np.int64),
        "token_mask": z["attention_mask"].astype(np.bool_),
    })["scores"]  # fmt: skip
    for number, name in enumerate(Scores._fields):
        np.testing.assert_allclose(told[:, number], z[name][:, 0], atol=2e-5)


def test_a_last_frame_is_mirrored_and_the_words_count(graphs: Graphs, flow: FlowSpec) -> None:
    judge = Judge(JUDGE_FOLDER, graphs, flow)
    mix, found = noise(5 * flow.frame - 500)[0], noise(5 * flow.frame - 500, seed=3)[0]
    whole = [np.pad(sound, (0, 500), mode="reflect") for sound in (mix, found)]
    scores = judge.scores("dog", mix, found)
    assert scores == judge.scores("dog", *whole)
    assert scores != judge.scores("man speaking", mix, found)
    assert scores != judge.scores("dog", mix, mix)
    assert np.isfinite(judge.scores("dog", mix[:10], found[:10])).all()


class Senseless:
    """A judge that has lost its mind."""

    def run(self, graph: str, feeds: Mapping[str, Any]) -> Any:
        """A call."""
        return {"scores": np.full((1, 4), np.nan, np.float32)}


def test_scores_that_are_no_numbers_are_a_fault(flow: FlowSpec) -> None:
    pytest.importorskip("tokenizers", reason="prompts need the package tokenizers (extra sam-audio-live)")
    judge = Judge(JUDGE_FOLDER, Senseless(), flow)  # type: ignore[arg-type]
    with pytest.raises(EngineFault, match="in place of 4 scores"):
        judge.scores("dog", noise(1920)[0], noise(1920)[0])


def test_its_tokenizer_is_needed(graphs: Graphs, flow: FlowSpec, tmp_path: Path) -> None:
    shutil.copy(FOLDER / "tokenizer.json", tmp_path)
    with pytest.raises(BundleError, match=r"judge_tokenizer\.json: is no tokenizer"):
        Judge(tmp_path, graphs, flow)
