"""Files in: exact lengths, blocks, and a typed refusal for everything that is no whole sound file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.errors import BadInput
from streaming.media_reading import open_audio
from tests.streaming.media_files import read_all, tone, write_sound, write_video

COUNT = 3 * 48000 + 317


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.wav", "pcm_s16le"), ("a.wav", "pcm_f32le"), ("a.flac", "flac"), ("a.mp3", "libmp3lame"), ("a.ogg", "libopus")],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_length_is_exact_without_the_encoders_padding(tmp_path: Path, name: str, codec: str, channels: int) -> None:
    samples = tone(COUNT, channels)
    got = read_all(write_sound(tmp_path / name, samples, 48000, codec))
    assert got.shape == samples.shape
    assert got.dtype == np.float32
    assert np.corrcoef(got[0], samples[0])[0, 1] > 0.95  # and in its place


def test_float_wav_is_bit_exact_and_comes_in_blocks(tmp_path: Path) -> None:
    samples = tone(COUNT, 2)
    with open_audio(write_sound(tmp_path / "a.wav", samples, 48000, "pcm_f32le")) as file:
        assert (file.rate, file.channels, file.has_video) == (48000, 2, False)
        assert file.duration_s == pytest.approx(COUNT / 48000)
        blocks = list(file.blocks())
        assert (file.samples_read, file.notes) == (COUNT, ())
    assert max(block.shape[1] for block in blocks) < 1.5 * 48000
    np.testing.assert_array_equal(np.concatenate(blocks, axis=1), samples)


@pytest.mark.parametrize("rate", [8000, 44100, 192000])
def test_the_files_own_rate_is_kept(tmp_path: Path, rate: int) -> None:
    with open_audio(write_sound(tmp_path / "a.wav", tone(rate, 1, rate), rate, "pcm_s16le")) as file:
        assert file.rate == rate
        assert sum(block.shape[1] for block in file.blocks()) == rate


def test_more_channels_become_stereo_and_it_is_said(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.wav", tone(48000, 6), 48000, "pcm_s16le", layout="5.1")
    with open_audio(path) as file:
        assert file.channels == 2
        assert "6 channels" in " ".join(file.notes)
        assert next(file.blocks()).shape[0] == 2


def test_video_is_noticed(tmp_path: Path) -> None:
    with open_audio(write_video(tmp_path / "a.mp4", tone(48000))) as file:
        assert file.has_video


def refused(path: Path) -> BadInput:
    with pytest.raises(BadInput) as caught:
        read_all(path)
    assert caught.value.field == "file"
    return caught.value


def test_missing_folder_empty_and_other_files_are_refused(tmp_path: Path) -> None:
    assert "existing" in str(refused(tmp_path / "no.wav"))
    assert "folder" in str(refused(tmp_path))
    (tmp_path / "empty.wav").touch()
    assert "0 bytes" in str(refused(tmp_path / "empty.wav"))
    (tmp_path / "text.wav").write_text("no sound in here\n" * 100)
    assert "media" in str(refused(tmp_path / "text.wav"))


def test_a_file_without_sound_is_refused(tmp_path: Path) -> None:
    assert "sound track" in str(refused(write_video(tmp_path / "mute.mp4", None)))


def test_zero_seconds_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "none.wav"
    data = write_sound(tmp_path / "a.wav", tone(480), 48000, "pcm_s16le").read_bytes()
    header = bytearray(data[: data.index(b"data") + 8])
    header[4:8] = (len(header) - 8).to_bytes(4, "little")
    header[-4:] = bytes(4)
    path.write_bytes(bytes(header))
    assert "0 seconds" in str(refused(path))


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.wav", "pcm_s16le"), ("a.flac", "flac"), ("a.mp3", "libmp3lame"), ("a.mp4", "aac"), ("a.mkv", "aac")],
)
def test_a_cut_file_is_refused(tmp_path: Path, name: str, codec: str) -> None:
    data = write_sound(tmp_path / name, tone(COUNT), 48000, codec).read_bytes()
    path = tmp_path / f"cut-{name}"
    path.write_bytes(data[: len(data) * 6 // 10])
    assert "complete" in str(refused(path))


def notes_of(path: Path) -> str:
    with open_audio(path) as file:
        for _ in file.blocks():
            pass
        return " ".join(file.notes)


def test_a_cut_avi_is_refused(tmp_path: Path) -> None:
    data = write_video(tmp_path / "a.avi", tone(48000)).read_bytes()
    assert notes_of(tmp_path / "a.avi") == ""
    (tmp_path / "cut.avi").write_bytes(data[: len(data) // 2])
    assert "bytes fewer" in str(refused(tmp_path / "cut.avi"))


def test_where_the_header_is_not_sure_of_it_a_cut_file_is_told_of(tmp_path: Path) -> None:
    video = write_video(tmp_path / "a.mkv", tone(2 * 48000), seconds=2.0).read_bytes()
    sound = write_sound(tmp_path / "a.ogg", tone(COUNT), 48000, "libopus").read_bytes()
    assert notes_of(tmp_path / "a.mkv") == notes_of(tmp_path / "a.ogg") == ""
    (tmp_path / "cut.mkv").write_bytes(video[: len(video) // 2])
    (tmp_path / "cut.ogg").write_bytes(sound[: len(sound) // 2])
    assert "may be cut off" in notes_of(tmp_path / "cut.mkv")
    assert "may be cut off" in notes_of(tmp_path / "cut.ogg")


def test_values_that_are_no_numbers_are_counted(tmp_path: Path) -> None:
    samples = tone(48000)
    samples[0, [5, 7]] = np.nan, np.inf
    assert "2 NaN or infinite" in notes_of(write_sound(tmp_path / "a.wav", samples, 48000, "pcm_f32le"))


def test_a_wav_from_a_pipe_has_no_size_and_is_read(tmp_path: Path) -> None:
    data = bytearray(write_sound(tmp_path / "a.wav", tone(COUNT), 48000, "pcm_s16le").read_bytes())
    data[4:8] = b"\xff" * 4
    (tmp_path / "pipe.wav").write_bytes(bytes(data))
    assert read_all(tmp_path / "pipe.wav").shape[1] == COUNT
