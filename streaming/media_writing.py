"""Sound and video files on disk, whole or not at all.

Everything is written under a temporary name in the target's own folder and renamed when complete, so a full
disk or a killed process never leaves half a file under the final name.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import av
import numpy as np
from av.audio.format import AudioFormat
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer

from engine.errors import BadInput, WinnowError
from engine.frames import Samples


class OutputError(WinnowError):
    """A file could not be written (disk full, no permission); nothing is left under its name."""

    code = "output_failed"

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"cannot write {path}: {reason}")
        self.path = path
        self.reason = reason


def made_folder(folder: Path, field: str = "output") -> Path:
    """The same folder, made if it is not there.

    Raises:
        BadInput: a file is there; `field` is what the caller called it.
        OutputError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise BadInput(field, "a folder", f"{folder}: {error.strerror}") from error
    except OSError as error:
        raise OutputError(folder, error.strerror or str(error)) from error
    return folder


@dataclass(frozen=True, slots=True)
class _Sound:
    """How one kind of file carries sound: FFmpeg's muxer, codec, sample rates (empty: any), sample format."""

    muxer: str
    codec: str
    rates: tuple[int, ...] = ()
    format: str = ""
    exact: bool = False


_MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
_SOUNDS: Final = {
    "wav": _Sound("wav", "pcm_f32le", exact=True),  # float: nothing clips, and the parts sum to the input
    "flac": _Sound("flac", "flac", format="s32"),
    "mp3": _Sound("mp3", "libmp3lame", _MP3_RATES),
}
_VIDEOS: Final = {
    ".mp4": _Sound("mp4", "aac", _AAC_RATES),
    ".m4v": _Sound("mp4", "aac", _AAC_RATES),
    ".mov": _Sound("mov", "aac", _AAC_RATES),
    ".mkv": _Sound("matroska", "aac", _AAC_RATES),
    ".webm": _Sound("webm", "libopus", (48000,)),
}
SOUND_FORMATS: Final = tuple(_SOUNDS)


def video_suffix(source: Path) -> str:
    """Suffix for a video made from `source`: its own where we can write that container, else `.mkv`."""
    suffix = source.suffix.lower()
    return suffix if suffix in _VIDEOS else ".mkv"


class _PartFile:
    """A binary file under a temporary name beside `path`; `seal` ends it, `keep` renames it, `drop` removes it.

    FFmpeg writes through it. The first refusal of the disk is kept for `check` and all later bytes are thrown
    away: an exception out of FFmpeg's own callback would be lost in some places and repeated in others.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
        self._file = self._part.open("xb")
        self._refusal: OSError | None = None

    def write(self, data: bytes) -> int:
        """Append; what the disk refuses is told by `check`."""
        if self._refusal is None:
            try:
                self._file.write(data)
            except OSError as error:
                self._refusal = error
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        """As of a file."""
        if self._refusal is not None:
            return 0
        try:
            return self._file.seek(offset, whence)
        except OSError as error:
            self._refusal = error
            return 0

    def tell(self) -> int:
        """As of a file."""
        return self._file.tell() if self._refusal is None else 0

    def check(self) -> None:
        """Raises:
        OSError: the disk refused something since the file was opened.
        """
        if self._refusal is not None:
            raise self._refusal

    def seal(self) -> None:
        """Nothing more is written: see that the bytes have reached the disk.

        Raises:
            OSError: they have not.
        """
        self.check()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def keep(self) -> None:
        """Give the sealed file its name.

        Raises:
            OSError: it cannot have it.
        """
        os.replace(self._part, self.path)

    def drop(self) -> None:
        """Remove what was written; never raises for a disk that is still full."""
        with contextlib.suppress(OSError):  # buffered bytes that did not fit are meant to go
            self._file.close()
        self._part.unlink(missing_ok=True)


class SoundWriter:
    """One sound file, written block by block: a context manager that keeps the file only on a clean exit.

    Args:
        path: final name; replaced if it exists.
        kind: `wav` (32-bit float), `flac` (24 bit) or `mp3`.
        rate: sample rate in Hz.
        channels: 1 or 2.

    Raises:
        BadInput: unknown kind, or a rate that mp3 does not know.
        OutputError: the file cannot be created.
    """

    def __init__(self, path: Path, kind: str, rate: int, channels: int) -> None:
        if kind not in _SOUNDS:
            raise BadInput("format", " or ".join(_SOUNDS), kind)
        sound = _SOUNDS[kind]
        if sound.rates and rate not in sound.rates:
            raise BadInput("format", f"wav or flac for {rate} Hz (no {kind} has that rate)", kind)
        self._start(path, sound, rate, channels, rate)

    def _start(self, path: Path, sound: _Sound, rate: int, channels: int, coded_rate: int) -> None:
        self.path = path
        self.clipped = 0
        self._rate = rate
        self._layout = "stereo" if channels == 2 else "mono"
        self._counts_clipping = not sound.exact
        self._written = 0
        self._finished = False
        try:
            self._part = _PartFile(path)
        except OSError as error:
            raise OutputError(path, error.strerror or str(error)) from error
        try:
            options = {"rf64": "auto"} if sound.muxer == "wav" else {}
            self._container: OutputContainer = av.open(self._part, "w", format=sound.muxer, container_options=options)
            self._prepare_container()
            stream = self._container.add_stream(sound.codec, rate=coded_rate, layout=self._layout)
            assert isinstance(stream, AudioStream)
            self._stream = stream
            if sound.format:
                self._stream.codec_context.format = AudioFormat(sound.format)
            self._stream.bit_rate = _bit_rate(coded_rate)
            self._stream.codec_context.open(strict=False)
            self._converter = AudioResampler(
                format=self._stream.codec_context.format,
                layout=self._layout,
                rate=coded_rate,
                frame_size=self._stream.codec_context.frame_size or None,
            )
        except BaseException as error:
            self._part.drop()
            raise _as_output_error(path, error) from error

    def _prepare_container(self) -> None:
        """For a subclass that adds more streams."""

    def write(self, samples: Samples) -> None:
        """Append `(channels, n)` float32.

        Raises:
            OutputError: the disk refuses.
        """
        if not samples.shape[1]:
            return
        if self._counts_clipping:
            self.clipped += int(np.count_nonzero(np.abs(samples) > 1.0))
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(samples, np.float32), format="fltp", layout=self._layout)
        frame.sample_rate = self._rate
        frame.time_base = Fraction(1, self._rate)
        frame.pts = self._first_pts() + self._written
        self._written += samples.shape[1]
        try:
            self._encode(self._converter.resample(frame))
            self._follow(self._written / self._rate)
            self._part.check()
        except Exception as error:
            raise _as_output_error(self.path, error) from error

    def finish(self) -> None:
        """Write what is left of it to the disk, still under its temporary name; nothing is written after it.

        For who keeps several files or none: what a disk may refuse is done then. `keep` does it otherwise.

        Raises:
            OutputError: the disk refuses; nothing is left.
        """
        if self._finished:
            return
        try:
            self._encode(self._converter.resample(None))
            for packet in self._stream.encode(None):
                self._container.mux(packet)
            self._follow(None)
            self._container.close()
            self._part.seal()
        except BaseException as error:
            self.drop()
            raise _as_output_error(self.path, error) from error
        self._finished = True

    def keep(self) -> None:
        """Finish the file and give it its name.

        Raises:
            OutputError: the disk refuses; nothing is left.
        """
        self.finish()
        try:
            self._part.keep()
        except BaseException as error:
            self.drop()
            raise _as_output_error(self.path, error) from error

    def drop(self) -> None:
        """Leave nothing behind; idempotent."""
        with contextlib.suppress(OSError, ValueError, av.error.FFmpegError):  # a trailer nobody will read
            self._container.close()
        self._part.drop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.keep()
        else:
            self.drop()

    def _encode(self, frames: list[AudioFrame]) -> None:
        for frame in frames:
            for packet in self._stream.encode(frame):
                self._container.mux(packet)

    def _first_pts(self) -> int:
        return 0

    def _follow(self, until_s: float | None) -> None:
        """For a subclass whose other streams keep pace with the sound; None means to the end."""


class VideoWriter(SoundWriter):
    """The picture of `source`, copied packet by packet, with another sound.

    Args:
        path: final name; its suffix chooses the container (see `video_suffix`).
        source: the file whose video is copied.
        rate: sample rate of the sound in Hz.
        channels: 1 or 2.
        start_s: presentation time of the first sample, as `AudioFile.start_s` tells it.

    Raises:
        BadInput: `source` cannot be read, or has no video.
        OutputError: the file cannot be created, or cannot hold that video.
    """

    def __init__(self, path: Path, source: Path, rate: int, channels: int, start_s: float = 0.0) -> None:
        self._start_s = start_s
        self._source: InputContainer = av.open(str(source), metadata_errors="replace")
        try:
            videos = [video for video in self._source.streams.video if _is_moving(video)]
            if not videos:
                raise BadInput("file", "a file with video", source.name)
            self._video = videos[0]
            self._packets: Iterator[av.Packet[av.VideoStream]] = self._source.demux(self._video)
            self._next: av.Packet[av.VideoStream] | None = None
            sound = _VIDEOS[path.suffix.lower()]
            coded = rate if rate in sound.rates else 48000
            self._start(path, sound, rate, channels, coded)
        except BaseException:
            self._source.close()
            raise

    def _prepare_container(self) -> None:
        self._copy = self._container.add_stream_from_template(self._video)

    def _first_pts(self) -> int:
        return round(self._start_s * self._rate)

    def _follow(self, until_s: float | None) -> None:
        limit_s = None if until_s is None else until_s + self._start_s
        while (packet := self._next or next(self._packets, None)) is not None:
            self._next = packet
            if packet.dts is not None:
                if limit_s is not None and float(packet.dts * packet.time_base) > limit_s:
                    return
                packet.stream = self._copy
                self._container.mux(packet)
            self._next = None

    def drop(self) -> None:
        """Leave nothing behind; idempotent."""
        self._source.close()
        super().drop()

    def keep(self) -> None:
        """Finish the file and give it its name.

        Raises:
            OutputError: the disk refuses; nothing is left.
        """
        super().keep()
        self._source.close()


def _is_moving(video: av.VideoStream) -> bool:
    return not int(video.disposition) & 0x400


def _bit_rate(rate: int) -> int:
    """Bits per second for a lossy codec: what MPEG-2 and MPEG-2.5 layer III still allow at low rates."""
    return 192_000 if rate >= 32_000 else 96_000 if rate >= 16_000 else 64_000


def _as_output_error(path: Path, error: BaseException) -> BaseException:
    if isinstance(error, av.error.FFmpegError | OSError):
        return OutputError(path, error.strerror or str(error))
    return error
