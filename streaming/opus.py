"""Opus by libopus itself: encoding with settings of ours, decoding with concealment and in-band FEC.

PyAV's wheel carries libopus for FFmpeg, but FFmpeg's wrapper reaches neither `decode_fec` nor concealment, so the same
library is called directly; a source build of PyAV uses the system's, which is looked for second. Calls release the
GIL. Formats: RFC 6716 (section 3.1: table of contents byte), RFC 7587 (RTP clock 48 kHz whatever is coded).
"""

from __future__ import annotations

import ctypes
import ctypes.util
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np

from engine.errors import BadInput, WinnowError
from engine.frames import Samples

RATE = 48_000
LONGEST_PACKET = 5760
"""Samples: 120 ms, the most that one Opus packet may last."""
_QUIET_BYTES = 2
"""A packet this short carries no sound: the sender went silent (DTX)."""
_LARGEST_PACKET_BYTES = 1275

_APPLICATIONS = {"voip": 2048, "audio": 2049, "lowdelay": 2051}
_SET_BITRATE, _SET_COMPLEXITY, _SET_FEC, _SET_LOSS, _SET_DTX, _GET_LOOKAHEAD = 4002, 4010, 4012, 4014, 4016, 4027
_RESET = 4028


class OpusMissing(WinnowError):
    """No libopus on this machine."""


class BadPacket(WinnowError):
    """A payload that libopus cannot read."""


@dataclass(frozen=True, slots=True)
class OpusSettings:
    """How outgoing sound is coded.

    `lowdelay` looks 2.5 ms ahead instead of 6.5: it leaves SILK out, which `audio` would not choose at 64 kbit/s or
    more anyway. In-band FEC lives in SILK: it acts with `voip` or `audio` at low rates and a loss above 0.

    An expected loss makes frames depend less on the ones before, so that a loss harms only itself: with 0 the frames
    after a lost one stay wrong for 0.1 s, with 20 they are right at once. At 96 kbit/s it costs nothing that can be
    measured (`benchmarks/concealment.py`), so it is the default.

    Raises:
        BadInput: a value outside what Opus or we carry.
    """

    channels: int = 2
    frame_ms: int = 20
    bitrate: int = 96_000
    application: Literal["voip", "audio", "lowdelay"] = "lowdelay"
    complexity: int = 5
    in_band_fec: bool = False
    expected_loss_percent: int = 20
    dtx: bool = False

    def __post_init__(self) -> None:
        limits = {"channels": (1, 2), "bitrate": (6_000, 510_000), "complexity": (0, 10)}
        limits["expected_loss_percent"] = (0, 100)
        for name, (least, most) in limits.items():
            if not least <= getattr(self, name) <= most:
                raise BadInput(name, f"a number from {least} to {most}", getattr(self, name))
        if self.frame_ms not in (10, 20):
            raise BadInput("frame_ms", "10 or 20", self.frame_ms)
        if self.application not in _APPLICATIONS:
            raise BadInput("application", f"one of {sorted(_APPLICATIONS)}", self.application)

    @property
    def frame(self) -> int:
        """Samples per channel in one packet."""
        return self.frame_ms * RATE // 1000

    @property
    def lookahead(self) -> int:
        """Samples by which what a decoder gives lags behind what went in: 2.5 or 6.5 ms."""
        return 120 if self.application == "lowdelay" else 312


def packet_samples(payload: bytes) -> int:
    """How many 48 kHz samples a packet lasts; 0 if it is none (RFC 6716, section 3.1 and 3.2)."""
    if not payload:
        return 0
    config = payload[0] >> 3
    if config < 12:
        frame = (480, 960, 1920, 2880)[config & 3]
    elif config < 16:
        frame = (480, 960)[config & 1]
    else:
        frame = 120 << (config & 3)
    code = payload[0] & 3
    if code < 2:
        frames = 1 + code
    elif code == 2:
        frames = 2
    else:
        frames = payload[1] & 0x3F if len(payload) > 1 else 0
    count = frame * frames
    return count if count <= LONGEST_PACKET else 0


def is_quiet(payload: bytes) -> bool:
    """Whether the sender fell silent with this packet: it will pause, and nothing was lost."""
    return len(payload) <= _QUIET_BYTES


def is_transform_coded(payload: bytes) -> bool:
    """Whether a packet is CELT alone: neither SILK nor hybrid (RFC 6716, table 2)."""
    return bool(payload) and payload[0] >> 3 >= 16


def is_stereo(payload: bytes) -> bool:
    """Whether a packet codes two channels (the `s` bit)."""
    return bool(payload) and bool(payload[0] & 4)


def carries_fec(payload: bytes) -> bool:
    """Whether a packet holds a coarse copy of the frame before it (in-band FEC; only SILK and hybrid packets can)."""
    if not payload or is_transform_coded(payload):
        return False
    tell = getattr(_library(), "opus_packet_has_lbrr", None)
    # An older libopus cannot tell; its decoder conceals where nothing is found.
    return True if tell is None else tell(payload, ctypes.c_int(len(payload))) == 1


def _places() -> Iterator[str]:
    package = Path(av.__file__).parent
    for folder in (package.parent / "av.libs", package / ".dylibs"):
        yield from sorted(str(path) for path in folder.glob("*opus*"))
    system = ctypes.util.find_library("opus")
    if system is not None:
        yield system


@cache
def _library() -> Any:
    for place in _places():
        try:
            library = ctypes.CDLL(place)
        except OSError:
            continue
        pointer, number = ctypes.c_void_p, ctypes.c_int
        for name in ("opus_encoder_create", "opus_decoder_create"):
            getattr(library, name).restype = pointer
        library.opus_encoder_create.argtypes = (number, number, number, pointer)
        library.opus_decoder_create.argtypes = (number, number, pointer)
        # Two argument types on purpose: what follows is variadic, and ctypes then passes it as such.
        library.opus_decoder_get_size.argtypes = (number,)
        library.opus_encoder_ctl.argtypes = library.opus_decoder_ctl.argtypes = (pointer, number)
        library.opus_encode_float.argtypes = (pointer, pointer, number, pointer, number)
        library.opus_decode_float.argtypes = (pointer, ctypes.c_char_p, number, pointer, number, number)
        library.opus_encoder_destroy.argtypes = library.opus_decoder_destroy.argtypes = (pointer,)
        library.opus_encoder_destroy.restype = library.opus_decoder_destroy.restype = None
        library.opus_get_version_string.restype = ctypes.c_char_p
        return library
    raise OpusMissing("no libopus: neither in PyAV's wheel nor on the system (Debian: libopus0)")


def library_version() -> str:
    """What libopus calls itself.

    Raises:
        OpusMissing: there is none.
    """
    return str(_library().opus_get_version_string().decode())


class OpusEncoder:
    """One stream of sound to packets of `settings.frame` samples.

    Raises:
        OpusMissing: no libopus.
    """

    def __init__(self, settings: OpusSettings) -> None:
        self.settings = settings
        self._library = _library()
        error = ctypes.c_int()
        application = _APPLICATIONS[settings.application]
        state = self._library.opus_encoder_create(RATE, settings.channels, application, ctypes.byref(error))
        if not state:
            raise OpusMissing(f"libopus made no encoder (error {error.value})")
        self._state = ctypes.c_void_p(state)
        weakref.finalize(self, self._library.opus_encoder_destroy, self._state)
        self._set(_SET_BITRATE, settings.bitrate)
        self._set(_SET_COMPLEXITY, settings.complexity)
        self._set(_SET_FEC, int(settings.in_band_fec))
        self._set(_SET_LOSS, settings.expected_loss_percent)
        self._set(_SET_DTX, int(settings.dtx))
        lookahead = ctypes.c_int()
        self._library.opus_encoder_ctl(self._state, _GET_LOOKAHEAD, ctypes.byref(lookahead))
        self.lookahead = lookahead.value
        """Samples by which what a decoder gives lags behind what went in."""
        self._packet = ctypes.create_string_buffer(_LARGEST_PACKET_BYTES)

    def _set(self, request: int, value: int) -> None:
        self._library.opus_encoder_ctl(self._state, request, ctypes.c_int(value))

    def expect_loss(self, percent: int) -> None:
        """Tell the encoder how many of 100 packets are lost: it spends bits on FEC and on less dependence."""
        self._set(_SET_LOSS, min(max(percent, 0), 100))

    def reset(self) -> None:
        """Forget what was encoded."""
        self._library.opus_encoder_ctl(self._state, _RESET)

    def encode(self, samples: Samples) -> bytes:
        """One packet of exactly `(settings.channels, settings.frame)` samples.

        Raises:
            BadInput: another shape.
        """
        if samples.shape != (self.settings.channels, self.settings.frame):
            raise BadInput("samples", f"shape {(self.settings.channels, self.settings.frame)}", samples.shape)
        interleaved = np.ascontiguousarray(samples.T, dtype=np.float32)
        size = self._library.opus_encode_float(
            self._state, interleaved.ctypes.data, self.settings.frame, self._packet, _LARGEST_PACKET_BYTES
        )
        if size < 0:
            raise BadInput("samples", "finite sound", f"libopus error {size}")
        return self._packet.raw[:size]


class OpusDecoder:
    """Packets of one stream to sound `(channels, n)` at 48 kHz, whatever was coded.

    Raises:
        OpusMissing: no libopus.
    """

    def __init__(self, channels: int = 2) -> None:
        self._channels = channels
        self._library = _library()
        error = ctypes.c_int()
        state = self._library.opus_decoder_create(RATE, channels, ctypes.byref(error))
        if not state:
            raise OpusMissing(f"libopus made no decoder (error {error.value})")
        self._state = ctypes.c_void_p(state)
        weakref.finalize(self, self._library.opus_decoder_destroy, self._state)
        self._size = self._library.opus_decoder_get_size(channels)
        self._sound = np.empty((LONGEST_PACKET, channels), np.float32)
        self._address = self._sound.ctypes.data

    def decode(self, payload: bytes) -> Samples:
        """One packet.

        Raises:
            BadPacket: it is damaged.
        """
        return self._run(payload, LONGEST_PACKET, fec=False)

    def recover(self, following: bytes, count: int) -> Samples:
        """The `count` samples before the packet `following`, from the coarser copy that it may carry (in-band FEC);
        where it carries none, libopus conceals.

        Raises:
            BadPacket: `following` is damaged.
        """
        return self._run(following, count, fec=True)

    def conceal(self, count: int) -> Samples:
        """`count` samples (a multiple of 120, at most 120 ms) that continue what was heard last."""
        return self._run(None, count, fec=False)

    def snapshot(self) -> bytes:
        """All that the decoder knows; libopus documents its states as flat memory that may be copied."""
        return ctypes.string_at(self._state, self._size)

    def restore(self, snapshot: bytes) -> None:
        """Be again as when `snapshot` was taken of this decoder."""
        ctypes.memmove(self._state, snapshot, self._size)

    def reset(self) -> None:
        """Forget what was heard."""
        self._library.opus_decoder_ctl(self._state, _RESET)

    def _run(self, payload: bytes | None, most: int, *, fec: bool) -> Samples:
        size = 0 if payload is None else len(payload)
        count = self._library.opus_decode_float(self._state, payload, size, self._address, most, int(fec))
        if count < 0:
            raise BadPacket(f"libopus error {count} at a packet of {size} bytes")
        # A copy even of mono, whose transpose is no copy by itself: the buffer is used again.
        return self._sound[:count].T.copy()
