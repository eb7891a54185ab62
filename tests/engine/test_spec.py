"""`engine.spec`: lengths derived in one place, and every way a bundle can be wrong named by its field."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.errors import BadInput, BundleError, TamperedBundle
from engine.spec import SPEC_FILE, AudioSpec, ModelSpec, PlanLimits, load_spec, write_spec


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
        ({"audio": {"sample_rate": 48_000, "window": 960, "hop": 480, "crossfade": 100}}, SPEC_FILE),
        ({"bins": 482}, SPEC_FILE),
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


# --- bundles with modes ---------------------------------------------------------------------------------------------

FLOW: dict[str, object] = {
    "frame": 1920, "latent": 6, "video": 20, "text": 24, "anchors": {"null": 0, "+": 1, "-": 2, "pad": 3},
    "encoder_margin": 6, "decoder_margin": 8, "max_tokens": 512, "default_mode": "balanced", "file_mode": "quality",
    "modes": {
        "quality": {"context_s": 8.0, "hop_s": 2.0, "lookahead_s": 1.0, "crossfade_s": 0.16, "steps": 16},
        "balanced": {"context_s": 4.0, "hop_s": 0.5, "lookahead_s": 0.5, "solver": "euler", "steps": 8},
        "low_latency": {"context_s": 4.4, "hop_s": 0.24, "lookahead_s": 0.1, "crossfade_s": 0.4, "steps": 2},
    },
}  # fmt: skip


def flow_spec(**more: object) -> ModelSpec:
    given = {
        "name": "tiny", "version": "1", "description": "", "licence": "SAM License", "program": "flow_audio",
        "runtime": "onnx", "flow": FLOW,
    }  # fmt: skip
    return ModelSpec.model_validate(given | more)


def test_lengths_follow_from_the_mode_in_whole_frames() -> None:
    audio = flow_spec().audio
    assert (audio.window, audio.hop, audio.crossfade, audio.lookahead) == (126 * 1920, 13 * 1920, 0, 13 * 1920)
    assert audio.grain == audio.frame == 1920
    low = flow_spec().in_mode("fast")
    assert low.mode == "low_latency"
    # A crossfade is no longer than the hop, and the decoder sees its eight frames.
    assert (low.audio.hop, low.audio.crossfade, low.audio.lookahead) == (6 * 1920, 6 * 1920, 8 * 1920)
    assert flow_spec().modes == ("quality", "balanced", "low_latency")
    assert spec().modes == ()
    assert spec().audio.grain == spec().audio.hop


def test_modes_survive_the_file(tmp_path: Path) -> None:
    write_spec(tmp_path, flow_spec().in_mode("fast"), ())
    read = load_spec(tmp_path)
    assert (read.mode, read.audio) == ("balanced", flow_spec().audio)
    assert read.flow == flow_spec().flow
    assert not {"audio", "bins", "mode"} & set(json.loads((tmp_path / SPEC_FILE).read_text()))


def test_limits_of_plans_survive_the_file_and_old_bundles_have_those_of_their_exporter(tmp_path: Path) -> None:
    assert flow_spec().flow.plans == PlanLimits(most_rows=16, most_tokens=64)  # type: ignore[union-attr]
    write_spec(tmp_path, flow_spec(flow=FLOW | {"plans": {"most_rows": 4, "most_tokens": 12}}), ())
    assert load_spec(tmp_path).flow.plans == PlanLimits(most_rows=4, most_tokens=12)  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["turbo", ""])
def test_an_unknown_mode_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(BadInput, match="quality, balanced, low_latency") as caught:
        flow_spec().in_mode(name)
    assert caught.value.field == "mode"
    with pytest.raises(BadInput, match="a model with modes"):
        spec().in_mode("fast")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mode": "turbo"}, "turbo"),
        ({"flow": FLOW | {"file_mode": "turbo"}}, "turbo"),
        ({"flow": FLOW | {"anchors": {"null": 0}}}, "anchors lack"),
        ({"flow": FLOW | {"frame": 0}}, "frame"),
        ({"flow": FLOW | {"plans": {"most_rows": 0}}}, "most_rows"),
        ({"flow": None, "audio": spec().audio}, "go together"),
        ({"program": "mask"}, "bins"),
    ],
)
def test_wrong_modes(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    write_spec(tmp_path, flow_spec(), ())
    path = tmp_path / SPEC_FILE
    changed = {name: value.model_dump() if isinstance(value, AudioSpec) else value for name, value in changes.items()}
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))
    with pytest.raises(BundleError, match=message):
        load_spec(tmp_path)


def test_lengths_are_whole_frames() -> None:
    with pytest.raises(ValueError, match="whole frames"):
        AudioSpec(sample_rate=48_000, window=3840, hop=1000, crossfade=0, frame=1920)
