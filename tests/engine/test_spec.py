"""`engine.spec`: lengths derived in one place, and every way a bundle can be wrong named by its field."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.errors import BundleError, TamperedBundle
from engine.spec import SPEC_FILE, AudioSpec, ModelSpec, load_spec, write_spec


def spec(**more: object) -> ModelSpec:
    given = {
        "name": "tiny", "version": "1", "description": "", "licence": "Apache-2.0", "program": "mask",
        "runtime": "onnx", "bins": 480, "query_size": 64,
        "audio": AudioSpec(sample_rate=48_000, window=960, hop=480, crossfade=480),
        "graphs": {"separator": "graph.onnx"},
    }  # fmt: skip
    return ModelSpec.model_validate(given | more)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "graph.onnx").write_bytes(b"weights")
    write_spec(tmp_path, spec(), ("graph.onnx",))
    return tmp_path


def rewrite(folder: Path, **changes: object) -> None:
    path = folder / SPEC_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_lengths() -> None:
    short = AudioSpec(sample_rate=48_000, window=960, hop=480, crossfade=480)
    assert (short.latency, short.history, short.hop_s, short.latency_s) == (960, 0, 0.01, 0.02)
    long = AudioSpec(sample_rate=48_000, window=96_000, hop=24_000, crossfade=2400, lookahead=12_000)
    assert (long.latency, long.history) == (38_400, 57_600)


def test_round_trip(folder: Path) -> None:
    read = load_spec(folder)
    assert read.name == "tiny"
    assert len(read.artifacts["graph.onnx"]) == 64


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": "Bad Name"}, "name"),
        ({"program": "magic"}, "program"),
        ({"surprise": 1}, "surprise"),
        ({"bins": 0}, "bins"),
        ({"bins": "many"}, "bins"),
        ({"format": 2}, "format"),
        ({"audio": {"sample_rate": 48_000, "window": 400, "hop": 480, "crossfade": 480}}, "audio"),
        ({"audio": {"sample_rate": 48_000, "window": 960, "hop": 480}}, "audio.crossfade"),
        ({"graphs": {"separator": "other.onnx"}}, "graphs.separator"),
        ({"artifacts": {"graph.onnx": "0" * 64, "../graph.onnx": "0" * 64}}, "artifacts.graph.onnx"),
        ({"graphs": {}, "artifacts": {"../graph.onnx": "0" * 64}}, "artifacts.../graph.onnx"),
        ({"graphs": {}, "artifacts": {"missing.npy": "0" * 64}}, "artifacts.missing.npy"),
    ],
)
def test_wrong_specs_name_the_field(folder: Path, changes: dict[str, object], field: str) -> None:
    rewrite(folder, **changes)
    with pytest.raises(BundleError) as caught:
        load_spec(folder)
    assert caught.value.field == field
    assert str(folder) in str(caught.value)


def test_tampered_graph(folder: Path) -> None:
    (folder / "graph.onnx").write_bytes(b"weights!")
    with pytest.raises(TamperedBundle, match=r"artifacts\.graph\.onnx: SHA-256"):
        load_spec(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", "\xff\xfe"])
def test_unreadable_spec(folder: Path, text: str) -> None:
    (folder / SPEC_FILE).write_bytes(text.encode("latin-1"))
    with pytest.raises(BundleError):
        load_spec(folder)
    (folder / SPEC_FILE).unlink()
    with pytest.raises(BundleError, match="cannot be read"):
        load_spec(folder)
