"""Coded pictures out of RTP packets: whole frames in order, none decoded.

aiortc's buffer takes a frame for complete when the next one begins, a frame's length too late; here the marker bit
completes it (RFC 7741, RFC 6184: set on a frame's last packet). A hole waits for its retransmission; then everything up
to the next key frame is given up, and one is asked for, since nothing in between could be shown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aiortc.rtp import RtpPacket

_HALF, _WHOLE = 1 << 15, 1 << 16
_MOST_PACKETS = 1024
"""Packets that wait behind a hole; a frame of 1 MB is about 800."""
_WAIT_S = 0.25
"""How long a hole waits for its retransmission."""


@dataclass(slots=True)
class CodedPicture:
    """One frame as the sender coded it.

    Attributes:
        data: what a decoder takes.
        timestamp: RTP, 90 kHz, 32 bit.
        key: it can be shown without those before it.
        arrived_s: when its last packet came.
    """

    data: bytes
    timestamp: int
    key: bool
    arrived_s: float


def is_key(codec: str, data: bytes) -> bool:
    """Whether a frame starts anew.

    Args:
        codec: `vp8` (RFC 6386, section 9.1: lowest bit of the first byte) or `h264` (an IDR slice or parameter sets).
    """
    if codec == "vp8":
        return bool(data) and not data[0] & 1
    at = data.find(b"\x00\x00\x01")
    while at >= 0 and at + 3 < len(data):
        if data[at + 3] & 0x1F in (5, 7):
            return True
        at = data.find(b"\x00\x00\x01", at + 3)
    return False


class PictureBuffer:
    """Stands where aiortc's jitter buffer of a video receiver stood; see the module.

    Args:
        codec: `vp8` or `h264`.
        take: gets every complete frame that can be shown; must not raise.
        clock: seconds that never run backwards.
    """

    def __init__(self, codec: str, take: Callable[[CodedPicture], None], clock: Callable[[], float]) -> None:
        self._codec, self._take, self._clock = codec, take, clock
        self._packets: dict[int, RtpPacket] = {}
        self._next: int | None = None
        self._newest = 0
        self._hole_since_s: float | None = None
        self._broken = True
        self.frames = 0
        """Given on."""
        self.lost = 0
        """Given up: holes, and what could not be shown because of them."""

    def add(self, packet: RtpPacket) -> tuple[bool, None]:
        """Take one packet in. The first value asks aiortc to ask the sender for a key frame."""
        if self._next is None:
            self._next = self._newest = packet.sequence_number
        number = self._newest + (packet.sequence_number - self._newest + _HALF) % _WHOLE - _HALF
        if number < self._next:
            return False, None
        self._newest = max(self._newest, number)
        self._packets[number] = packet
        self._assemble()
        return self._give_up_holes(), None

    def _assemble(self) -> None:
        assert self._next is not None
        while (count := self._complete(self._next)) > 0:
            packets = [self._packets.pop(number) for number in range(self._next, self._next + count)]
            self._next += count
            self._hole_since_s = None
            self._hand_on(packets)

    def _complete(self, begin: int) -> int:
        """How many packets from `begin` on make up one frame, 0 where it is not whole yet."""
        first = self._packets.get(begin)
        if first is None:
            return 0
        count = 0
        while (packet := self._packets.get(begin + count)) is not None:
            if packet.timestamp != first.timestamp:
                return count
            count += 1
            if packet.marker:
                return count
        return 0

    def _hand_on(self, packets: list[RtpPacket]) -> None:
        data = b"".join(packet._data for packet in packets)  # type: ignore[attr-defined]
        if not data:
            return  # padding, by which a sender measures the line
        key = is_key(self._codec, data)
        if self._broken and not key:
            self.lost += 1
            return
        self._broken = False
        self.frames += 1
        self._take(CodedPicture(data, packets[0].timestamp, key, self._clock()))

    def _give_up_holes(self) -> bool:
        assert self._next is not None
        if len(self._packets) == self._newest - self._next + 1:
            # No hole: the frame at hand is still coming in.
            self._hole_since_s = None
            return False
        now_s = self._clock()
        if self._hole_since_s is None:
            self._hole_since_s = now_s
        if now_s - self._hole_since_s < _WAIT_S and len(self._packets) < _MOST_PACKETS:
            return False
        self._skip_hole()
        return True

    def _skip_hole(self) -> None:
        """Go on behind the first hole, at the beginning of a frame."""
        assert self._next is not None
        self.lost += 1
        self._broken = True
        self._hole_since_s = None
        number = self._next
        while number in self._packets:
            number += 1
        behind = sorted(other for other in self._packets if other > number)
        # The frame that the hole is in ends with the first marker behind it.
        ends = (other + 1 for other in behind if self._packets[other].marker)
        self._next = next(ends, self._newest + 1)
        self._packets = {other: packet for other, packet in self._packets.items() if other >= self._next}
        self._assemble()
