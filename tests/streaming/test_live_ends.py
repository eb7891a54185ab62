"""Ends of a live stream: pipes, files, and devices that are not there."""

from __future__ import annotations

import importlib
import io
import os
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest

from engine.errors import BadInput
from streaming.live_ends import FileSink, FileSource, MicrophoneSource, PipeSink, PipeSource, SpeakerSink, open_sink
from streaming.media import encode_pcm
from streaming.media_reading import open_audio
from tests.streaming.media_files import read_all, tone, write_sound


async def test_a_file_comes_in_chunks_of_ten_milliseconds(tmp_path: Path) -> None:
    samples = tone(4800 + 7)
    with open_audio(write_sound(tmp_path / "a.wav", samples, 48000, "pcm_f32le")) as file:
        chunks = [chunk async for chunk in FileSource(file).chunks()]
    assert {chunk.shape[1] for chunk in chunks} == {480, 7}
    np.testing.assert_array_equal(np.concatenate(chunks, axis=1), samples)


async def test_a_pipe_is_read_to_its_end_whatever_the_cuts() -> None:
    samples = tone(4800, 2)
    data, _ = encode_pcm(samples, "pcm_f32le")
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as out:
        out.write(data[:1001])
        out.flush()
        out.write(data[1001:])
    source = PipeSource(reading, 48000, 2, "pcm_f32le")
    chunks = [chunk async for chunk in source.chunks()]
    os.close(reading)
    np.testing.assert_array_equal(np.concatenate(chunks, axis=1), samples)
    assert source.left_over == 0


async def test_a_pipe_says_what_is_no_whole_sample() -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as out:
        out.write(encode_pcm(tone(480, 2), "pcm_s16le")[0] + b"abc")
    source = PipeSource(reading, 48000, 2, "pcm_s16le")
    assert sum([chunk.shape[1] async for chunk in source.chunks()]) == 480
    os.close(reading)
    assert source.left_over == 3


async def test_sinks_write_what_they_are_given(tmp_path: Path) -> None:
    samples = tone(480)
    stream = io.BytesIO()
    pipe = PipeSink(stream, "pcm_s16le")
    await pipe.write(samples)
    pipe.close(kept=True)
    assert stream.getvalue() == encode_pcm(samples, "pcm_s16le")[0]
    kept, dropped = FileSink(tmp_path / "a.wav", 48000, 1), FileSink(tmp_path / "b.wav", 48000, 1)
    FileSink(tmp_path / "nothing.wav", 48000, 1).close(kept=True)
    for sink in (kept, dropped):
        await sink.write(samples)
    kept.close(kept=True)
    dropped.close(kept=False)
    assert os.listdir(tmp_path) == ["a.wav"]
    np.testing.assert_array_equal(read_all(tmp_path / "a.wav"), samples)


def test_devices_without_their_package_are_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> NoReturn:
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(BadInput, match="pip install sounddevice"):
        MicrophoneSource(48000, 1)
    with pytest.raises(BadInput, match="pip install sounddevice"):
        SpeakerSink(48000, 1)
    with pytest.raises(BadInput, match="output"):
        open_sink("a.xyz", 48000, 1, "pcm_s16le")
