"""Sound out of any file that PyAV opens, as a stream of blocks: memory does not grow with the file.

FFmpeg trims encoder delay and padding where the container tells of them; what is counted here is what it
gives out.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer

from engine.errors import BadInput
from engine.frames import Samples
from engine.intake import ordinary

BLOCK_S = 1.0
"""Length of a block: a model call carries 100 hops, and a progress bar still moves smoothly."""

_ATTACHED_PICTURE = 0x400
"""AV_DISPOSITION_ATTACHED_PIC: a cover in a music file is no video."""

_LONGEST_OGG_PAGE_BYTES = 65_307
_OGG_END_OF_STREAM = 0x04

_UNKNOWN_RIFF_SIZE = 0x7FFF0000
"""Writers into a pipe cannot know the size and leave 0 or a number near the top."""


class AudioFile:
    """One open media file and its first sound track.

    Attributes:
        path: where it lies.
        rate: sample rate in Hz, the file's own.
        channels: 1 or 2, what `blocks` gives.
        source_channels: what the file has.
        duration_s: what the container says, or None where it says nothing.
        start_s: presentation time of the first sample, in seconds (matters beside a video).
        has_video: there is a moving picture (a cover does not count).
        samples_read: samples given out so far.
        damaged_packets: packets that could not be decoded and were left out.
        nonfinite_samples: values given out that are NaN or infinite; a session makes silence of them.
    """

    def __init__(self, path: Path, container: InputContainer, stream: AudioStream) -> None:
        self.path = path
        self.rate = int(stream.rate)
        self.source_channels = int(stream.channels)
        self.channels = min(self.source_channels, 2)
        self.has_video = any(_is_moving(video) for video in container.streams.video)
        self.samples_read = 0
        self.damaged_packets = self.nonfinite_samples = 0
        self.start_s = 0.0
        self._container = container
        self._stream = stream
        self._converter: AudioResampler | None = None
        self._converter_input: tuple[str, str, int] | None = None
        self._ends_early: str | None = None
        self.duration_s = _declared_s(container, stream)
        self._blocks = self._gather()
        # Decoding the first block here makes every refusal happen on opening.
        self._first: Samples | None = next(self._blocks, None)
        if self._first is None:
            raise BadInput("file", "at least one sample of sound", f"{path.name}: 0 seconds")

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of the sound that was read so far, or of the file's end."""
        found = []
        if self.source_channels > 2:
            found.append(f"{self.source_channels} channels were mixed down to stereo")
        if self.damaged_packets:
            found.append(f"{self.damaged_packets} damaged packets were left out")
        if self.nonfinite_samples:
            found.append(f"{self.nonfinite_samples} NaN or infinite samples were replaced by silence")
        if self._ends_early is not None:
            found.append(self._ends_early)
        return tuple(found)

    def blocks(self) -> Iterator[Samples]:
        """Blocks `(channels, n)` float32 of about a second, once, in order.

        Raises:
            BadInput: the file ends before the length that it declares.
        """
        while self._first is not None:
            block, self._first = self._first, next(self._blocks, None)
            self.samples_read += block.shape[1]
            self.nonfinite_samples += ordinary(block)[1]
            yield block
        self._judge_length()

    def close(self) -> None:
        """Close the file; idempotent."""
        self._container.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _gather(self) -> Iterator[Samples]:
        waiting: list[Samples] = []
        count = 0
        for piece in self._pieces():
            waiting.append(piece)
            count += piece.shape[1]
            if count >= self.rate * BLOCK_S:
                yield np.concatenate(waiting, axis=1)
                waiting, count = [], 0
        if count:
            yield np.concatenate(waiting, axis=1)

    def _pieces(self) -> Iterator[Samples]:
        first = True
        for frame in self._frames():
            if first:
                self.start_s = frame.time or 0.0
                first = False
            yield from self._convert(frame)
        yield from self._drain()

    def _frames(self) -> Iterator[AudioFrame]:
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets)
                frames = self._stream.codec_context.decode(packet)
            except (StopIteration, av.error.EOFError):
                return
            except av.error.InvalidDataError:
                # As FFmpeg does: one damaged packet is left out. A cut file shows in the length.
                self.damaged_packets += 1
                continue
            yield from frames

    def _convert(self, frame: AudioFrame) -> Iterator[Samples]:
        """Any sample format and layout to planar float at the track's rate.

        The rate itself is converted only where a file changes its own midway.
        """
        key = (frame.format.name, frame.layout.name, frame.sample_rate)
        if key != self._converter_input:
            yield from self._drain()
            layout = "stereo" if self.channels == 2 else "mono"
            self._converter = AudioResampler(format="fltp", layout=layout, rate=self.rate)
            self._converter_input = key
        assert self._converter is not None
        frame.pts = None  # the converter would otherwise refuse a jump in time; samples are simply joined
        for out in self._converter.resample(frame):
            yield out.to_ndarray().astype(np.float32, copy=False)

    def _drain(self) -> Iterator[Samples]:
        if self._converter is not None:
            for out in self._converter.resample(None):
                yield out.to_ndarray().astype(np.float32, copy=False)
            self._converter = None

    def _judge_length(self) -> None:
        got_s = self.samples_read / self.rate
        expected_s = _exact_s(self.path, self._container, self._stream)
        if expected_s is not None and _falls_short(got_s, expected_s):
            whole = f"a complete file ({expected_s:.1f} s by its header)"
            raise BadInput("file", whole, f"{self.path.name}: {got_s:.1f} s")
        names = set(self._container.format.name.split(","))
        if "matroska" in names and self.duration_s is not None and _falls_short(got_s, self.duration_s):
            # It may be the picture that goes on.
            self._ends_early = f"the sound ends at {got_s:.1f} s of {self.duration_s:.1f} s; the file may be cut off"
        elif "ogg" in names and not _ogg_is_ended(self.path):
            self._ends_early = f"the file does not say that it ends at {got_s:.1f} s; it may be cut off"


def open_audio(path: str | Path) -> AudioFile:
    """Open the first sound track of a media file at its own rate, in mono or stereo.

    Raises:
        BadInput: field `file`: missing, a folder, not readable, not a media file, without a sound track, or
            without a sample in it.
    """
    path = Path(path)
    if path.is_dir():
        raise BadInput("file", "a media file, not a folder", str(path))
    if not path.exists():
        raise BadInput("file", "an existing file", str(path))
    if path.is_file() and path.stat().st_size == 0:
        raise BadInput("file", "a media file", f"{path.name}: 0 bytes")
    if (missing := _riff_bytes_missing(path)) > 0:
        raise BadInput("file", "a complete file", f"{path.name}: {missing} bytes fewer than its header says")
    try:
        container = av.open(str(path), metadata_errors="replace")
    except PermissionError as error:
        raise BadInput("file", "a file that may be read", str(path)) from error
    except av.error.FFmpegError as error:
        raise BadInput("file", "a complete media file", f"{path.name}: {error.strerror}") from error
    try:
        return _open_track(path, container)
    except BaseException:
        container.close()
        raise


def _open_track(path: Path, container: InputContainer) -> AudioFile:
    if not container.streams.audio:
        raise BadInput("file", "a file with a sound track", path.name)
    stream = container.streams.audio[0]
    if not stream.rate or not stream.channels:
        raise BadInput("file", "a sound track with a known rate and layout", path.name)
    try:
        return AudioFile(path, container, stream)
    except av.error.FFmpegError as error:
        got = f"{path.name}: {error.strerror}"
        raise BadInput("file", "a sound track that can be decoded", got) from error


def _is_moving(video: av.VideoStream) -> bool:
    return not int(video.disposition) & _ATTACHED_PICTURE


def _declared_s(container: InputContainer, stream: AudioStream) -> float | None:
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else None


def _exact_s(path: Path, container: InputContainer, stream: AudioStream) -> float | None:
    """The sound track's length where the container states it; None where it is guessed or another track's."""
    names = set(container.format.name.split(","))
    if names & {"mov", "flac", "wav", "aiff", "w64"}:
        return _declared_s(container, stream)
    if "mp3" in names and (stream.start_time or 0) > 0:
        # An encoder's tag is there; without one FFmpeg guesses from the bit rate.
        return _declared_s(container, stream)
    if "matroska" in names and len(container.streams) == 1:
        return _declared_s(container, stream)
    return None


def _falls_short(got_s: float, expected_s: float) -> bool:
    """Whether more is missing than encoders and containers round away."""
    return got_s < expected_s - max(0.25, 0.01 * expected_s)


def _ogg_is_ended(path: Path) -> bool:
    """Whether the last page of an Ogg file is marked as the end of its stream (RFC 3533, section 6)."""
    if not path.is_file():
        return True  # a pipe cannot be looked at twice
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - _LONGEST_OGG_PAGE_BYTES, 0))
        tail = file.read()
    page = tail.rfind(b"OggS")
    return 0 <= page < len(tail) - 5 and bool(tail[page + 5] & _OGG_END_OF_STREAM)


def _riff_bytes_missing(path: Path) -> int:
    """Bytes that the own header of a WAV or AVI promises and the file lacks (FFmpeg shortens those without a word)."""
    if not path.is_file():
        return 0  # a pipe cannot be looked at twice
    try:
        with path.open("rb") as file:
            head = file.read(12)
    except OSError:
        return 0  # opening it will say why
    size = int.from_bytes(head[4:8], "little")
    if head[:4] != b"RIFF" or head[8:] not in (b"WAVE", b"AVI ") or not 0 < size < _UNKNOWN_RIFF_SIZE:
        return 0
    return size + 8 - path.stat().st_size
