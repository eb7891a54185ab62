"""Where the sound of `winnow live` comes from and goes to: files in real time, raw PCM on a pipe, microphone, speaker.

A source gives chunks of 10 ms with the time at which the last sample was captured; a sink takes samples in order.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import sys
import threading
import time
from collections.abc import AsyncIterator
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np

from engine.errors import BadInput
from engine.frames import Samples
from streaming.media import PcmDecoder, encode_pcm, known_encoding
from streaming.media_reading import AudioFile
from streaming.media_writing import SOUND_FORMATS, OutputError, SoundWriter

CHUNK_S = 0.01
PIPE, MICROPHONE, SPEAKER = "-", "mic", "speaker"
_PIPE_BLOCKS = 8
_MICROPHONE_CHUNKS = 200
"""2 s: what waits behind a network that stalls; then the oldest goes."""


class Source(Protocol):
    """Sound to send."""

    rate: int
    channels: int

    def chunks(self) -> AsyncIterator[Samples]:
        """Chunks `(channels, n)` float32, each given when its last sample is due."""


class Sink(Protocol):
    """Where the isolated sound goes."""

    async def write(self, samples: Samples) -> None:
        """Take `(channels, n)` float32."""

    def close(self, kept: bool) -> None:
        """The end; `kept` is False after an error."""


async def paced(blocks: AsyncIterator[Samples] | AudioFile, rate: int) -> AsyncIterator[Samples]:
    """Chunks of 10 ms of any blocks, never faster than real time and never late by adding up."""
    began_s, done = time.perf_counter(), 0
    chunk = max(round(rate * CHUNK_S), 1)
    async for block in _each(blocks):
        for start in range(0, block.shape[1], chunk):
            piece = block[:, start : start + chunk]
            done += piece.shape[1]
            wait_s = began_s + done / rate - time.perf_counter()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            elif wait_s < -1.0:
                began_s -= wait_s  # the source itself paused: no burst to catch up
            yield piece


async def _each(blocks: AsyncIterator[Samples] | AudioFile) -> AsyncIterator[Samples]:
    if not isinstance(blocks, AudioFile):
        async for block in blocks:
            yield block
        return
    found = blocks.blocks()
    # Decoding a second of sound takes milliseconds: not in the event loop.
    while (block_ := await asyncio.to_thread(next, found, None)) is not None:
        yield block_


class FileSource:
    """A file, played in real time."""

    def __init__(self, file: AudioFile) -> None:
        self._file = file
        self.rate, self.channels = file.rate, file.channels

    def chunks(self) -> AsyncIterator[Samples]:
        """See `Source`."""
        return paced(self._file, self.rate)


class PipeSource:
    """Raw PCM from a file descriptor, at most in real time."""

    def __init__(self, descriptor: int, rate: int, channels: int, encoding: str) -> None:
        self.rate, self.channels = rate, channels
        self._descriptor = descriptor
        self._decoder = PcmDecoder(encoding, channels)
        self._block_bytes = max(round(rate * CHUNK_S), 1) * self._decoder.frame_bytes

    @property
    def left_over(self) -> int:
        """Bytes so far that make no whole sample; at the end a sign of another encoding or number of channels."""
        return self._decoder.pending

    def chunks(self) -> AsyncIterator[Samples]:
        """See `Source`."""
        return paced(self._blocks(), self.rate)

    async def _blocks(self) -> AsyncIterator[Samples]:
        loop = asyncio.get_running_loop()
        waiting: asyncio.Queue[bytes] = asyncio.Queue(_PIPE_BLOCKS)

        def read() -> None:
            with contextlib.suppress(OSError, CancelledError):
                data = b"."
                while data:
                    data = os.read(self._descriptor, self._block_bytes)
                    put = waiting.put(data)
                    try:
                        asyncio.run_coroutine_threadsafe(put, loop).result()
                    except RuntimeError:  # the loop is gone: so is the reader
                        put.close()
                        return

        # A thread of its own that nobody waits for: a read that never returns must not keep the program alive.
        threading.Thread(target=read, name="winnow pipe", daemon=True).start()
        while data := await waiting.get():
            yield self._decoder.decode(data)


class MicrophoneSource:
    """The default input device, through the optional package `sounddevice`.

    Raises:
        BadInput: the package or the device is not there.
    """

    def __init__(self, rate: int, channels: int) -> None:
        self.rate, self.channels = rate, channels
        self._device = _sounddevice("input", MICROPHONE)

    async def chunks(self) -> AsyncIterator[Samples]:
        """See `Source`."""
        loop = asyncio.get_running_loop()
        waiting: asyncio.Queue[Samples] = asyncio.Queue(_MICROPHONE_CHUNKS)

        def keep(samples: Samples) -> None:
            if waiting.full():
                waiting.get_nowait()
            waiting.put_nowait(samples)

        def heard(frames: Any, _count: int, _time: Any, _status: Any) -> None:
            loop.call_soon_threadsafe(keep, np.ascontiguousarray(frames.T, np.float32))

        settings = {"samplerate": self.rate, "channels": self.channels, "dtype": "float32"}
        with _opened(
            self._device.InputStream, "input", callback=heard, blocksize=round(self.rate * CHUNK_S), **settings
        ):
            while True:
                yield await waiting.get()


class FileSink:
    """A sound file; its suffix chooses the format. What was heard until a clean stop is kept, if it is anything."""

    def __init__(self, path: Path, rate: int, channels: int) -> None:
        self._writer = SoundWriter(path, output_kind(path), rate, channels)
        self._heard = False

    async def write(self, samples: Samples) -> None:
        """See `Sink`."""
        self._writer.write(samples)
        self._heard = self._heard or samples.shape[1] > 0

    def close(self, kept: bool) -> None:
        """See `Sink`."""
        if kept and self._heard:
            self._writer.keep()
        else:
            self._writer.drop()


class PipeSink:
    """Raw PCM to a binary stream."""

    def __init__(self, stream: BinaryIO, encoding: str) -> None:
        self._stream = stream
        self._encoding = known_encoding(encoding)

    async def write(self, samples: Samples) -> None:
        """See `Sink`.

        Raises:
            BrokenPipeError: nobody reads any more.
            OutputError: the disk behind it refuses.
        """
        await asyncio.to_thread(self._put, encode_pcm(samples, self._encoding)[0])

    def _put(self, data: bytes) -> None:
        try:
            self._stream.write(data)
            self._stream.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputError(Path("standard output"), str(error.strerror)) from error

    def close(self, kept: bool) -> None:
        """See `Sink`."""


class SpeakerSink:
    """The default output device, through the optional package `sounddevice`.

    Raises:
        BadInput: the package or the device is not there.
    """

    def __init__(self, rate: int, channels: int) -> None:
        device = _sounddevice("output", SPEAKER)
        settings = {"samplerate": rate, "channels": channels, "dtype": "float32", "latency": "low"}
        self._stream = _opened(device.OutputStream, "output", **settings)
        self._stream.start()

    async def write(self, samples: Samples) -> None:
        """See `Sink`."""
        await asyncio.to_thread(self._stream.write, np.ascontiguousarray(samples.T))

    def close(self, kept: bool) -> None:
        """See `Sink`."""
        self._stream.close()


def output_kind(path: Path) -> str:
    """Format by a path's suffix.

    Raises:
        BadInput: field `output`.
    """
    kind = path.suffix.lower().removeprefix(".")
    if kind not in SOUND_FORMATS:
        raise BadInput("output", f"a name that ends in {', '.join('.' + one for one in SOUND_FORMATS)}", path.name)
    return kind


def open_sink(output: str, rate: int, channels: int, encoding: str) -> Sink:
    """The sink that `--output` names.

    Raises:
        BadInput, OutputError: it cannot be used.
    """
    if output == PIPE:
        return PipeSink(sys.stdout.buffer, encoding)
    if output == SPEAKER:
        return SpeakerSink(rate, channels)
    return FileSink(Path(output), rate, channels)


def _sounddevice(field: str, name: str) -> Any:
    try:
        return importlib.import_module("sounddevice")
    except (ImportError, OSError) as error:
        # OSError: the package is there, the PortAudio library is not.
        expected = "a file or '-' (microphone and speaker need the package sounddevice: pip install sounddevice)"
        raise BadInput(field, expected, f"{name}: {error}") from None


def _opened(stream: Any, field: str, **settings: Any) -> Any:
    try:
        return stream(**settings)
    except Exception as error:  # sounddevice's own error types are only there when the package is
        raise BadInput(field, "a sound device that can be opened", str(error)) from error
