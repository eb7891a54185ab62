"""Raw PCM on the wire, both ways: bytes of interleaved samples to `Samples` and back.

This is on the hot path, once per chunk and session: a few numpy calls on whole chunks and no copy beyond the
one that changes the type. Files live in `media_reading` and `media_writing`.
"""

from __future__ import annotations

from typing import Final, Literal

import numpy as np

from engine.errors import BadInput
from engine.frames import Samples

Encoding = Literal["pcm_s16le", "pcm_f32le"]
ENCODINGS: Final[tuple[Encoding, ...]] = ("pcm_s16le", "pcm_f32le")
BYTES_PER_SAMPLE: Final[dict[str, int]] = {"pcm_s16le": 2, "pcm_f32le": 4}

_FULL_SCALE = np.float32(32768.0)
_STEP = np.float32(1.0 / 32768.0)
_S16_LOW, _S16_HIGH = -32768.0, 32767.0


def known_encoding(value: str, field: str = "encoding") -> Encoding:
    """The value as an `Encoding`.

    Raises:
        BadInput: it is none of `ENCODINGS`; names `field`.
    """
    if value not in ENCODINGS:
        raise BadInput(field, " or ".join(ENCODINGS), value)
    return value


class PcmDecoder:
    """Bytes of interleaved little-endian PCM, cut anywhere, to samples.

    A message may split a sample: the odd bytes wait for the next call.

    Args:
        encoding: one of `ENCODINGS`.
        channels: 1 or 2.

    Raises:
        BadInput: unknown encoding, or another number of channels.
    """

    __slots__ = ("_channels", "_dtype", "_frame", "_pending", "_s16")

    def __init__(self, encoding: str, channels: int) -> None:
        if channels not in (1, 2):
            raise BadInput("channels", "1 or 2", channels)
        self._s16 = known_encoding(encoding) == "pcm_s16le"
        self._dtype = np.dtype("<i2" if self._s16 else "<f4")
        self._channels = channels
        self._frame = self._dtype.itemsize * channels
        self._pending = b""

    @property
    def pending(self) -> int:
        """Bytes of an incomplete sample that wait for the rest."""
        return len(self._pending)

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of all channels."""
        return self._frame

    def decode(self, data: bytes | bytearray | memoryview) -> Samples:
        """Samples `(channels, n)` float32 of all that is complete; n may be 0.

        s16 is divided by 32768; f32 is kept as it is, NaN included (the session counts those).
        """
        if self._pending:
            data = self._pending + bytes(data)
            self._pending = b""
        whole = len(data) // self._frame
        odd = len(data) - whole * self._frame
        if odd:
            self._pending = bytes(data[len(data) - odd :])
        if not whole:
            return np.empty((self._channels, 0), np.float32)
        flat = np.frombuffer(data, self._dtype, whole * self._channels)
        # A fresh, writable array in every branch: the caller may keep it after the message's buffer is gone.
        rows = flat.reshape(whole, self._channels).T
        if self._s16:
            samples: Samples = np.multiply(rows, _STEP, dtype=np.float32, order="C")
            return samples
        return rows.astype(np.float32, order="C")


def encode_pcm(samples: Samples, encoding: Encoding) -> tuple[bytes, int]:
    """Samples `(channels, n)` float32 to interleaved little-endian bytes, and how many values were clipped.

    s16 is `clip(round(x * 32768))`; a NaN becomes 0 and counts as clipped. f32 is written as it is.
    """
    if encoding == "pcm_f32le":
        return samples.T.astype("<f4", order="C", copy=False).tobytes(), 0
    scaled = np.multiply(samples.T, _FULL_SCALE, order="C")
    np.rint(scaled, out=scaled)
    clipped = 0
    # Written so that a NaN fails the comparison and takes the slow way as well.
    if scaled.size and not (scaled.min() >= _S16_LOW and scaled.max() <= _S16_HIGH):
        clipped = int(scaled.size - np.count_nonzero((scaled >= _S16_LOW) & (scaled <= _S16_HIGH)))
        np.nan_to_num(scaled, copy=False, nan=0.0, posinf=_S16_HIGH, neginf=_S16_LOW)
        np.clip(scaled, _S16_LOW, _S16_HIGH, out=scaled)
    return scaled.astype("<i2").tobytes(), clipped
