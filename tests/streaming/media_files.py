"""Small media files made on the spot by PyAV."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.video.frame import VideoFrame

from engine.frames import Samples
from streaming.media_reading import open_audio


def tone(count: int, channels: int = 1, rate: int = 48000) -> Samples:
    """A tone with noise below full scale, `(channels, count)`."""
    t = np.arange(count) / rate
    noise = np.random.default_rng(5).standard_normal((channels, count)) * 0.05
    return (0.3 * np.sin(2 * np.pi * 440.0 * t) + noise).astype(np.float32)


def write_sound(path: Path, samples: Samples, rate: int, codec: str, layout: str | None = None) -> Path:
    """A sound file of any codec; the suffix chooses the container."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout=layout or ("stereo" if len(samples) == 2 else "mono"))
        assert isinstance(stream, AudioStream)
        _encode(container, stream, samples, rate)
    return path


def write_video(path: Path, samples: Samples | None, rate: int = 48000, seconds: float = 1.0) -> Path:
    """A small MPEG-4 video of 25 pictures a second, with or without sound."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        sound = None
        if samples is not None:
            sound = container.add_stream("aac", rate=rate, layout="stereo" if len(samples) == 2 else "mono")
        for index in range(round(25 * seconds)):
            frame = VideoFrame.from_ndarray(np.full((48, 64, 3), 5 * index % 255, np.uint8), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if samples is not None:
            assert isinstance(sound, AudioStream)
            _encode(container, sound, samples, rate)
    return path


def _encode(container: av.container.OutputContainer, stream: AudioStream, samples: Samples, rate: int) -> None:
    stream.codec_context.open(strict=False)
    context = stream.codec_context
    cutter = AudioResampler(context.format, context.layout, rate, frame_size=context.frame_size or None)
    frame = AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="fltp", layout=stream.layout.name)
    frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
    for piece in cutter.resample(frame) + cutter.resample(None):
        container.mux(stream.encode(piece))
    container.mux(stream.encode(None))


def read_all(path: Path) -> Samples:
    """The whole sound of a file."""
    with open_audio(path) as file:
        return np.concatenate(list(file.blocks()), axis=1)
