"""Files out: whole or not at all, exact where the format is, and video with its picture untouched."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
import pytest

from engine.errors import BadInput
from streaming.media_reading import open_audio
from streaming.media_writing import SOUND_FORMATS, OutputError, SoundWriter, VideoWriter, video_suffix
from tests.streaming.media_files import read_all, tone, write_video

COUNT = 48000 + 317


@contextmanager
def disk_of(size_bytes: int) -> Iterator[None]:
    """No file may grow beyond the size: the kernel refuses the write as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("kind", SOUND_FORMATS)
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [16000, 44100])
def test_what_is_written_is_read_again(tmp_path: Path, kind: str, channels: int, rate: int) -> None:
    samples = tone(COUNT, channels, rate)
    path = tmp_path / f"a.{kind}"
    with SoundWriter(path, kind, rate, channels) as writer:
        for start in range(0, COUNT, 7001):
            writer.write(samples[:, start : start + 7001])
        assert not path.exists()  # not before it is whole
    got = read_all(path)
    assert got.shape == samples.shape
    limit = {"wav": 0.0, "flac": 2.0**-22, "mp3": 0.5}[kind]
    assert np.max(np.abs(got - samples)) <= limit
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_float_wav_keeps_what_is_over_full_scale_and_flac_counts_it(tmp_path: Path) -> None:
    loud = np.array([[0.5, 1.5, -2.0, 0.0]], np.float32)
    with (
        SoundWriter(tmp_path / "a.wav", "wav", 48000, 1) as wav,
        SoundWriter(tmp_path / "a.flac", "flac", 48000, 1) as flac,
    ):
        wav.write(loud)
        flac.write(loud)
    assert (wav.clipped, flac.clipped) == (0, 2)
    np.testing.assert_array_equal(read_all(tmp_path / "a.wav"), loud)


@pytest.mark.parametrize("kind", SOUND_FORMATS)
def test_a_full_disk_leaves_nothing(tmp_path: Path, kind: str) -> None:
    noise = np.random.default_rng(0).uniform(-0.9, 0.9, (1, 10 * 48000)).astype(np.float32)
    with disk_of(50_000), pytest.raises(OutputError, match="cannot write"):
        with SoundWriter(tmp_path / f"a.{kind}", kind, 48000, 1) as writer:
            writer.write(noise)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_older_file(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"older")
    with disk_of(1000), pytest.raises(OutputError), SoundWriter(path, "wav", 48000, 1) as writer:
        writer.write(tone(COUNT))
    assert path.read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_in_between_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with SoundWriter(tmp_path / "a.wav", "wav", 48000, 1) as writer:
            writer.write(tone(COUNT))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_refusals_are_typed(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="format"):
        SoundWriter(tmp_path / "a.xyz", "xyz", 48000, 1)
    with pytest.raises(BadInput, match="wav or flac"):
        SoundWriter(tmp_path / "a.mp3", "mp3", 96000, 1)
    with pytest.raises(OutputError, match="No such file"):
        SoundWriter(tmp_path / "no" / "a.wav", "wav", 48000, 1)


def copy_inverted(source: Path, path: Path) -> None:
    with open_audio(source) as file, VideoWriter(path, source, file.rate, file.channels, file.start_s) as writer:
        for block in file.blocks():
            writer.write(-block)


def packets(path: Path) -> list[tuple[float, bytes]]:
    with av.open(str(path)) as container:
        found = [packet for packet in container.demux(video=0) if packet.pts is not None]
        return [(float((packet.pts or 0) * packet.time_base), bytes(packet)) for packet in found]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_video_is_copied_and_gets_another_sound(tmp_path: Path, suffix: str) -> None:
    source = write_video(tmp_path / f"in{suffix}", tone(48000, 2))
    path = tmp_path / f"out{suffix}"
    copy_inverted(source, path)
    before, after = packets(source), packets(path)
    assert [data for _, data in after] == [data for _, data in before]
    np.testing.assert_allclose([at for at, _ in after], [at for at, _ in before], atol=1e-3)
    old, new = read_all(source), read_all(path)
    assert abs(new.shape[1] - old.shape[1]) <= 1024
    count = min(new.shape[1], old.shape[1])
    assert np.corrcoef(new[0, :count], old[0, :count])[0, 1] < -0.95


def test_a_video_needs_a_video(tmp_path: Path) -> None:
    with SoundWriter(tmp_path / "a.wav", "wav", 48000, 1) as writer:
        writer.write(tone(4800))
    with pytest.raises(BadInput, match="video"):
        VideoWriter(tmp_path / "b.mp4", tmp_path / "a.wav", 48000, 1)


def test_a_full_disk_leaves_no_video(tmp_path: Path) -> None:
    source = write_video(tmp_path / "in.mp4", tone(48000))
    with disk_of(4000), pytest.raises(OutputError):
        copy_inverted(source, tmp_path / "out.mp4")
    assert list(tmp_path.iterdir()) == [source]


def test_containers_we_cannot_write_become_matroska() -> None:
    assert video_suffix(Path("a.MP4")) == ".mp4"
    assert video_suffix(Path("a.avi")) == ".mkv"
