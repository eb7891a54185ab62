"""`benchmarks.sam_audio_export`: its folders are taken by the exporter, its clock and its floor are right."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.io import wavfile

pytest.importorskip("torch", reason="torch (extra sam-audio) is not installed")
pytest.importorskip("transformers", reason="transformers (extra sam-audio) is not installed")
pytest.importorskip("onnx", reason="onnx (extra sam-audio) is not installed")

import torch

from benchmarks import sam_audio_checkpoint
from benchmarks.sam_audio_export import Failed, floor, options, prepare, separated, timed, write_sound
from benchmarks.sam_audio_sizes import SOUND_RMS, config_of, random_codec
from export.sam_audio.sources import Source


def test_the_exporter_takes_the_folders(tmp_path: Path) -> None:
    asked = options().parse_args(["--size", "tiny"])
    checkpoint = tmp_path / "sam-audio-tiny"
    made = prepare(checkpoint, asked)
    assert made["gb"] > 0
    written = (checkpoint / "checkpoint.pt").stat().st_mtime_ns
    source = Source.open(checkpoint, None)
    assert not source.has_vision
    names = [graph.name for stage in source.stages(watermark=True, vision=False, spans=None, judge=None)
             for graph in stage.open()]  # fmt: skip
    assert names == ["text", "encoder", "watermark", "decoder", "condition", "velocity"]
    prepare(checkpoint, asked)
    assert (checkpoint / "checkpoint.pt").stat().st_mtime_ns == written, "used again"


def test_random_sound_is_neither_clipped_nor_offset() -> None:
    config = config_of("tiny")
    latents = torch.randn((2, config.audio_codec.codebook_dim, 20), generator=torch.Generator().manual_seed(0))
    sound = random_codec(config).decode(latents)
    assert float(sound.square().mean().sqrt()) == pytest.approx(SOUND_RMS, rel=0.3)
    assert abs(float(sound.mean())) < SOUND_RMS / 4


def test_other_names_than_the_released_ones_are_refused() -> None:
    released = sam_audio_checkpoint._released("small")
    assert not any(name.startswith("text_encoder.") for name in released)
    sam_audio_checkpoint._compare(dict(released), released, sees=True)
    sam_audio_checkpoint._compare(
        {name: shape for name, shape in released.items() if not name.startswith("vision_encoder.")},
        released,
        sees=False,
    )
    with pytest.raises(ValueError, match=r"1 weights .*: proj.weight"):
        sam_audio_checkpoint._compare({**released, "proj.weight": (1, 2)}, released, sees=True)


def test_a_command_is_timed_and_its_failure_told() -> None:
    cost, text = timed("a", [sys.executable, "-c", "x = bytearray(200_000_000); print(len(x))"])
    assert text == "200000000\n"
    assert cost["peak_memory_gb"] > 0.2
    assert cost["s"] >= 0
    with pytest.raises(Failed, match="b: exit status 3: no"):
        timed("b", [sys.executable, "-c", "print('no'); raise SystemExit(3)"])


def test_the_floor_counts_windows_and_evaluations() -> None:
    found = floor(options().parse_args(["--size", "small", "--mode", "low_latency", "--seconds", "6"]))
    assert (found["windows"], found["evaluations"]) == (25, 100)
    assert found["most_tflop"] == pytest.approx(10.45, rel=0.01)  # 104.5 GFLOP each


def test_sound_of_another_length_or_not_finite_is_a_failure(tmp_path: Path) -> None:
    count = write_sound(tmp_path / "in.wav", 0.5)
    out = tmp_path / "out"
    out.mkdir()
    for name in ("man-speaking", "residual"):
        wavfile.write(out / f"in.{name}.wav", 48_000, np.full(count, 0.5, np.float32))
    assert separated(out, count) == {"man-speaking": 0.5, "residual": 0.5}
    with pytest.raises(Failed, match="samples at 48000 Hz"):
        separated(out, count + 1)
    wavfile.write(out / "in.residual.wav", 48_000, np.full(count, np.nan, np.float32))
    with pytest.raises(Failed, match="not finite"):
        separated(out, count)
    (out / "in.residual.wav").unlink()
    with pytest.raises(Failed, match="wrote"):
        separated(out, count)
