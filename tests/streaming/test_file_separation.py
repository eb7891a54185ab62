"""One file in, one per track out: exact, complete, and never at the cost of the input."""

from __future__ import annotations

import json
from errno import ENOSPC
from pathlib import Path

import numpy as np
import pytest

from engine.bundle import Bundle
from engine.errors import BadInput, UnknownPrompt
from engine.prompt import Span
from streaming.file_separation import file_names, parse_span, separate_file
from streaming.media_writing import OutputError, _PartFile
from tests.streaming.media_files import read_all, tone, write_sound, write_video
from tests.streaming.test_media_writing import disk_of


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [16000, 44100, 48000])
def test_target_and_residual_are_as_long_as_the_input_and_sum_to_it(
    tmp_path: Path, identity: Bundle, channels: int, rate: int
) -> None:
    samples = tone(2 * rate + 17, channels, rate)
    file = write_sound(tmp_path / "talk.wav", samples, rate, "pcm_f32le")
    told: list[tuple[float, float | None]] = []
    report = separate_file(
        file, ["man speaking"], bundle=identity, progress=lambda done, all_: told.append((done, all_))
    )
    target, residual = read_all(tmp_path / "talk.man-speaking.wav"), read_all(tmp_path / "talk.residual.wav")
    assert target.shape == residual.shape == samples.shape
    assert np.max(np.abs(target + residual - samples)) <= 1e-6
    assert report.samples == samples.shape[1]
    assert told[-1][0] == pytest.approx(samples.shape[1] / rate)
    assert told[-1][1] == pytest.approx(samples.shape[1] / rate)


def test_several_prompts_another_folder_no_residual(tmp_path: Path, identity: Bundle) -> None:
    file = write_sound(tmp_path / "a.wav", tone(48000), 48000, "pcm_s16le")
    before = file.read_bytes()
    report = separate_file(
        file,
        ["speech", "Rain!", "rain"],
        bundle=identity,
        folder=tmp_path / "out" / "deep",
        residual=False,
        kind="flac",
    )
    names = sorted(path.name for path in (tmp_path / "out" / "deep").iterdir())
    assert names == ["a.rain-2.flac", "a.rain.flac", "a.speech.flac"]
    assert file.read_bytes() == before
    told = json.loads(json.dumps(report.as_json()))
    assert [one["prompt"] for one in told["outputs"]] == ["speech", "Rain!", "rain"]
    assert told["outputs"][0]["understood"] == [{"label": "speech", "score": 1.0, "status": "advertised"}]


def test_a_video_comes_back_as_a_video_too(tmp_path: Path, identity: Bundle) -> None:
    file = write_video(tmp_path / "clip.mp4", tone(48000, 2))
    report = separate_file(file, ["speech"], bundle=identity)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "clip.mp4", "clip.residual.wav", "clip.speech.mp4", "clip.speech.wav",
    ]  # fmt: skip
    assert [one.path.suffix for one in report.outputs] == [".wav", ".mp4", ".wav"]
    separate_file(file, ["speech"], bundle=identity, folder=tmp_path / "sound", video=False)
    assert sorted(path.name for path in (tmp_path / "sound").iterdir()) == ["clip.residual.wav", "clip.speech.wav"]


def test_an_unknown_prompt_writes_nothing(tmp_path: Path, identity: Bundle) -> None:
    file = write_sound(tmp_path / "a.wav", tone(4800), 48000, "pcm_s16le")
    with pytest.raises(UnknownPrompt) as caught:
        separate_file(file, ["speech", "zorgle"], bundle=identity, folder=tmp_path / "out")
    assert caught.value.target == "zorgle"
    assert not (tmp_path / "out").exists()


def test_a_cut_file_and_a_full_disk_leave_nothing(tmp_path: Path, identity: Bundle) -> None:
    whole = write_sound(tmp_path / "a.flac", tone(4 * 48000), 48000, "flac")
    cut = tmp_path / "cut.flac"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    out = tmp_path / "out"
    with pytest.raises(BadInput, match="complete"):
        separate_file(cut, ["speech"], bundle=identity, folder=out)
    with disk_of(100_000), pytest.raises(OutputError):
        separate_file(whole, ["speech"], bundle=identity, folder=out)
    assert list(out.iterdir()) == []


def test_a_disk_that_fills_up_at_the_very_end_leaves_none_of_the_files(
    tmp_path: Path, identity: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_sound(tmp_path / "a.wav", tone(4800), 48000, "pcm_s16le")
    sealed: list[Path] = []
    seal = _PartFile.seal

    def full(part: _PartFile) -> None:
        seal(part)
        sealed.append(part.path)
        if len(sealed) == 3:
            raise OSError(ENOSPC, "No space left on device")

    monkeypatch.setattr(_PartFile, "seal", full)
    with pytest.raises(OutputError, match="No space left"):
        separate_file(file, ["speech", "rain"], bundle=identity)
    assert len(sealed) == 3
    assert list(tmp_path.iterdir()) == [file]


def test_an_output_that_is_the_input_is_refused(tmp_path: Path, identity: Bundle) -> None:
    file = write_sound(tmp_path / "a.wav", tone(4800), 48000, "pcm_s16le")
    (tmp_path / "a.speech.wav").symlink_to(file)
    with pytest.raises(BadInput, match="output"):
        separate_file(file, ["speech"], bundle=identity)
    assert read_all(file).shape[1] == 4800


def test_a_folder_that_cannot_be_made(tmp_path: Path, identity: Bundle) -> None:
    file = write_sound(tmp_path / "a.wav", tone(4800), 48000, "pcm_s16le")
    with pytest.raises(BadInput, match="output: expected a folder"):
        separate_file(file, ["speech"], bundle=identity, folder=file / "under")
    with pytest.raises(OutputError):
        separate_file(file, ["speech"], bundle=identity, folder=tmp_path / ("long" * 100))


def test_spans() -> None:
    assert parse_span("+1.0:2.5") == Span(1.0, 2.5, True)
    assert parse_span("-3:4") == Span(3.0, 4.0, False)
    assert parse_span(".5:1") == Span(0.5, 1.0, True)
    for wrong in ("", "1", "2:1", "a:b", "+1:nan", "1:2:3", "--1:2"):
        with pytest.raises(BadInput, match="span"):
            parse_span(wrong)


def test_names_are_short_distinct_and_safe() -> None:
    assert file_names(["man speaking", "Man  Speaking", "residual", "../../etc", "…", "犬 の声"]) == [
        "man-speaking", "man-speaking-2", "residual-2", "etc", "target", "犬-の声",
    ]  # fmt: skip
    assert len(file_names(["x" * 2000])[0]) == 60
