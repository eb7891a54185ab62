"""Spans from the command line to the written file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.streaming.media_files import read_all, tone, write_sound
from tests.streaming.test_cli import winnow


@pytest.mark.parametrize("words", [("--span", "-0.2:0.4"), ("--span=-0.2:0.4", "--span", "+0.5:0.6")])
def test_where_a_target_is_off_its_file_is_silent(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sound = tone(48_000)
    file = write_sound(tmp_path / "a.wav", sound, 48_000, "pcm_f32le")
    assert winnow(monkeypatch, "separate", file, "-p", "speech", *words, "-m", "identity", "--json") == 0
    assert len(json.loads(capsys.readouterr().out)["outputs"]) == 2
    target, residual = read_all(tmp_path / "a.speech.wav"), read_all(tmp_path / "a.residual.wav")
    inside = slice(round(0.21 * 48_000), round(0.4 * 48_000))
    np.testing.assert_array_equal(target[:, inside], 0.0)
    np.testing.assert_array_equal(residual[:, inside], sound[:, inside])
    np.testing.assert_allclose(target[:, 20_000:], sound[:, 20_000:], atol=1e-6)


def test_a_span_that_ends_before_it_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_sound(tmp_path / "a.wav", tone(4800), 48_000, "pcm_f32le")
    assert winnow(monkeypatch, "separate", file, "-p", "speech", "--span", "2:1", "-m", "identity") == 2
    assert "span" in capsys.readouterr().err


def test_spans_after_the_sound_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_sound(tmp_path / "a.wav", tone(48_000), 48_000, "pcm_f32le")
    spans = ("--span", "+0.5:1", "--span", "+0.5:999", "--span", "-1:2")
    assert winnow(monkeypatch, "separate", file, "-p", "speech", *spans, "-m", "identity", "--json") == 0
    assert json.loads(capsys.readouterr().out)["notes"] == [
        "a part of the span +0.5:999 lies after the sound, which ends at 1.00 s",
        "all of the span -1:2 lies after the sound, which ends at 1.00 s",
    ]


def test_predicted_spans_are_printed_and_in_the_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sound = tone(4 * 48_000)
    sound[:, : 48_000 + 480] = 0.0
    sound[:, 3 * 48_000 :] = 0.0
    file = write_sound(tmp_path / "a.wav", sound, 48_000, "pcm_f32le")
    words = ("separate", file, "-p", "speech", "-p", "everything but rain", "-m", "identity", "--predict-spans")
    assert winnow(monkeypatch, *words, "--json") == 0
    speech, rest, residual = json.loads(capsys.readouterr().out)["outputs"]
    (span,) = speech["spans"]
    # The identity model finds everything likely: what is left is the level.
    assert (span["start"], span["end"]) == pytest.approx((1.01, 3.0), abs=0.05)
    assert "spans" not in rest
    assert "spans" not in residual
    assert winnow(monkeypatch, *words) == 0
    assert f"speech sounds at {span['start']:.2f}–{span['end']:.2f} s" in capsys.readouterr().out
    assert winnow(monkeypatch, "separate", file, "-p", "speech", "-m", "identity", "--json") == 0
    assert "spans" not in json.loads(capsys.readouterr().out)["outputs"][0]
