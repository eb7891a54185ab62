"""The tiny SAM Audio bundle (random weights) in modes short enough for tests."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from engine.bundle import Bundle
from engine.open_vocabulary import OpenVocabulary
from engine.programs.flow_audio import FlowProgram
from engine.runtimes.graphs import Graphs
from engine.spec import FlowMode, load_spec, write_spec

FOLDER = Path(__file__).parents[1] / "data" / "sam_audio" / "bundle"

JUDGE_FOLDER = FOLDER.parent / "judge"
"""A judge of random weights, which the tiny bundle itself is without."""

SHORT = FlowMode(context_s=0.4, hop_s=0.4, lookahead_s=0.32, crossfade_s=0.04, solver="euler", steps=2)
"""Windows of 29 frames, two evaluations each. The codec takes most of the time: at 48 kHz it is not that tiny."""


def open_graphs(*without: str) -> Graphs:
    """The bundle's graphs, but for some; skips where it cannot be run."""
    pytest.importorskip("onnxruntime", reason="the tiny SAM Audio bundle runs on ONNX Runtime, which is not installed")
    pytest.importorskip("tokenizers", reason="prompts need the package tokenizers (extra sam-audio-live)")
    if not FOLDER.is_dir():
        pytest.skip("tests/data/sam_audio/bundle is not there")
    from engine.runtimes.onnx_graphs import OnnxGraphs

    files = {name: file for name, file in load_spec(FOLDER).graphs.items() if name not in without}
    return OnnxGraphs(FOLDER, files, "cpu", 1, "velocity")


def bundle_in(graphs: Graphs, mode: FlowMode = SHORT, words: Path = FOLDER) -> Bundle:
    """The bundle with a mode of the test's own, and slots of its own; `words` holds the tokenizers."""
    spec = load_spec(FOLDER)
    assert spec.flow is not None
    flow = spec.flow.model_copy(update={"modes": {"test": mode}, "default_mode": "test", "file_mode": "test"})
    spec = spec.model_copy(update={"flow": flow, "mode": "test", "audio": flow.audio("test")})
    program = FlowProgram(spec, words, graphs, time.perf_counter)
    return Bundle(FOLDER, spec, OpenVocabulary(program.sees, program.hears), graphs, program)


def folder_with_judge(place: Path, mode: FlowMode = SHORT) -> Path:
    """A bundle folder made in `place`: the tiny bundle in one mode, and its judge. Skips as `open_graphs`."""
    open_graphs()
    for folder in (FOLDER, JUDGE_FOLDER):
        shutil.copytree(folder, place, dirs_exist_ok=True)
    spec = load_spec(FOLDER)
    assert spec.flow is not None
    flow = spec.flow.model_copy(update={"modes": {"test": mode}, "default_mode": "test", "file_mode": "test"})
    added = {"flow": flow, "mode": "test", "audio": flow.audio("test"), "graphs": spec.graphs | {"judge": "judge.onnx"}}
    write_spec(place, spec.model_copy(update=added), (*spec.artifacts, "judge.onnx", "judge_tokenizer.json"))
    return place
