"""A visual prompt from two videos: what the camera saw, and a mask that says what in it is meant.

Both are read along with the sound, one picture for each latent frame of the model (25 a second), so that a film of any
length takes no more memory than a few pictures.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from engine.errors import BadInput

Pixels = NDArray[np.uint8]
Marks = Literal["target", "hide"]
"""What is bright in a mask: the target (all else is blanked), or what to blank."""

BRIGHT = 128
"""A pixel of a mask that is at least this bright is set."""


HELD_S = 0.25
"""The last picture may hold for so long before anybody is told: sound is often a little longer than its picture."""


class Film:
    """The pictures of a video by time; the first holds before it begins, the last after it has ended.

    Raises:
        BadInput: `field`: no video, or one that cannot be decoded.
    """

    def __init__(self, path: Path, field: str) -> None:
        self._path, self._field = path, field
        self._read_s = self._asked_s = 0.0
        self._ended_s: float | None = None
        try:
            self._container: InputContainer = av.open(str(path))
        except (OSError, av.error.FFmpegError) as error:
            raise BadInput(field, "a video", f"{path}: {error}") from error
        if not self._container.streams.video:
            self._container.close()
            raise BadInput(field, "a video", f"{path.name}: no pictures")
        self._frames: Iterator[VideoFrame] = self._container.decode(self._container.streams.video[0])
        try:
            first = self._later()
            if first is None:
                raise BadInput(field, "a video", f"{path.name}: no pictures")
            self._now: VideoFrame = first
            self._next = self._later()
        except BadInput:
            self._container.close()
            raise

    def _later(self) -> VideoFrame | None:
        try:
            frame = next(self._frames, None)
        except av.error.FFmpegError as error:
            # Left out, its picture would be another one's: what is seen there is what is listened for.
            damage = f"{self._path.name}: {error.strerror} after {self._read_s:.2f} s"
            raise BadInput(self._field, "a video that can be decoded to its end", damage) from error
        if frame is None:
            self._ended_s = self._read_s
        else:
            self._read_s = max(self._read_s, _time(frame) + _length(frame))
        return frame

    def at(self, second: float) -> VideoFrame:
        """The picture nearest to a presentation time; times never go back.

        Raises:
            BadInput: the video cannot be decoded up to there.
        """
        self._asked_s = second
        while (later := self._next) is not None and _distance(later, second) <= _distance(self._now, second):
            self._now, self._next = later, self._later()
        return self._now

    @property
    def note(self) -> str | None:
        """What a person should know of the pictures that were asked for so far."""
        if self._ended_s is None or self._asked_s <= self._ended_s + HELD_S:
            return None
        held = f"its last picture was held until {self._asked_s:.2f} s"
        return f"the pictures of {self._path.name} end at {self._ended_s:.2f} s; {held}"

    def close(self) -> None:
        """Close the file."""
        self._container.close()


def _time(frame: VideoFrame) -> float:
    return frame.time or 0.0


def _length(frame: VideoFrame) -> float:
    """Seconds, as far as the file says."""
    return float(frame.duration * frame.time_base) if frame.duration and frame.time_base is not None else 0.0


def _distance(frame: VideoFrame, second: float) -> float:
    return abs(_time(frame) - second)


class MaskedPictures:
    """The pictures of a visual prompt (`engine.prompt.Pictures`).

    Args:
        video: file with the picture, usually that of the sound itself.
        mask: video of the same length in which bright pixels mark; None: the whole picture is meant.
        marks: what they mark.
        frame_s: seconds of a latent frame.

    Raises:
        BadInput: field `video` or `mask_video`: not a video.
    """

    def __init__(
        self,
        video: Path,
        mask: Path | None,
        marks: Marks = "target",
        frame_s: Fraction = Fraction(1, 25),
    ) -> None:
        self._paths = (video, mask)
        self._open()
        self.start_s = 0.0
        """Presentation time of the first sample of sound; set before the first picture is asked for."""
        self._marks, self._frame_s = marks, frame_s
        self._count = 0

    def _open(self) -> None:
        video, mask = self._paths
        self._film = Film(video, "video")
        try:
            self._mask = None if mask is None else Film(mask, "mask_video")
        except BadInput:
            self._film.close()
            raise

    def rewind(self) -> None:
        """The next picture is the first one again.

        Raises:
            BadInput: field `video` or `mask_video`: it can no longer be read.
        """
        self.close()
        self._open()
        self._count = 0

    def close(self) -> None:
        """Close both files; idempotent."""
        self._film.close()
        if self._mask is not None:
            self._mask.close()

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of the pictures that were given so far."""
        films = (self._film, self._mask)
        return tuple(note for film in films if film is not None and (note := film.note) is not None)

    def next(self, count: int, side: int) -> Pixels:
        """See `engine.prompt.Pictures.next`: blanked first, then squeezed to a square.

        Raises:
            BadInput: field `video` or `mask_video`: it cannot be decoded there; names the file and the time.
        """
        made = np.empty((count, side, side, 3), np.uint8)
        for number in range(count):
            second = self.start_s + float(self._count * self._frame_s)
            picture = self._blanked(second)
            square = VideoFrame.from_ndarray(picture, format="rgb24")
            made[number] = square.reformat(side, side, interpolation="BICUBIC").to_ndarray(format="rgb24")
            self._count += 1
        return made

    def _blanked(self, second: float) -> Pixels:
        picture: Pixels = np.asarray(self._film.at(second).to_ndarray(format="rgb24"), np.uint8)
        if self._mask is None:
            return picture
        height, width = picture.shape[:2]
        shown = self._mask.at(second).reformat(width, height, format="gray", interpolation="POINT")
        bright = np.asarray(shown.to_ndarray(), np.uint8) >= BRIGHT
        kept = bright if self._marks == "target" else ~bright
        blanked: Pixels = picture * kept[..., None].astype(np.uint8)
        return blanked

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
