"""Frames out of packets: the marker completes them, holes wait, what cannot be shown is given up for a key frame."""

from __future__ import annotations

import random

from aiortc.rtp import RtpPacket

from streaming.rtc_picture_in import CodedPicture, PictureBuffer, is_key
from tests.fakes import ManualClock

KEY, INTER = b"\x00", b"\x01"


def packets(frames: int, each: int = 3, first: int = 65_530, key_every: int = 1000) -> list[RtpPacket]:
    """VP8 frames of `each` packets, across the wrap of both counters."""
    made = []
    for frame in range(frames):
        for part in range(each):
            packet = RtpPacket(
                payload_type=96, marker=int(part == each - 1), sequence_number=(first + frame * each + part) % 65536,
                timestamp=((1 << 32) - 6000 + frame * 3000) % (1 << 32),
            )  # fmt: skip
            head = (KEY if frame % key_every == 0 else INTER) if part == 0 else b""
            packet._data = head + bytes([frame % 256, part])  # type: ignore[attr-defined]
            made.append(packet)
    return made


class Bench:
    """A buffer, its clock, and what came of it."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.frames: list[CodedPicture] = []
        self.buffer = PictureBuffer("vp8", self.frames.append, self.clock)
        self.asked = 0

    def add(self, *some: RtpPacket) -> None:
        """Packets, a millisecond apart."""
        for packet in some:
            self.clock.advance(0.001)
            asked, frame = self.buffer.add(packet)
            assert frame is None
            self.asked += asked


def test_a_frame_is_there_with_its_last_packet() -> None:
    bench = Bench()
    sent = packets(2)
    bench.add(*sent[:2])
    assert bench.frames == []
    bench.add(sent[2])
    (frame,) = bench.frames
    assert frame.data == b"\x00\x00\x00\x00\x01\x00\x02"
    assert (frame.key, frame.timestamp) == (True, sent[0].timestamp)
    assert frame.arrived_s == bench.clock()


def test_order_on_the_line_does_not_matter_within_reason() -> None:
    sent = packets(60)
    shuffled = [packet for at in range(0, len(sent), 6) for packet in random.Random(at).sample(sent[at : at + 6], 6)]
    # The first packet that comes tells where the stream begins.
    shuffled.remove(sent[0])
    bench = Bench()
    bench.add(sent[0], *shuffled, sent[10], sent[0])
    assert [frame.timestamp for frame in bench.frames] == [sent[3 * index].timestamp for index in range(60)]
    assert bench.asked == 0


def test_a_hole_waits_for_its_retransmission() -> None:
    sent = packets(4)
    bench = Bench()
    bench.add(*(packet for packet in sent if packet is not sent[4]))
    assert len(bench.frames) == 1
    bench.add(sent[4])
    assert len(bench.frames) == 4
    assert bench.asked == 0


def test_a_lost_packet_costs_frames_up_to_the_next_key_frame() -> None:
    sent = packets(20, key_every=8)
    bench = Bench()
    bench.add(*(packet for packet in sent[:12] if packet is not sent[4]))
    bench.clock.advance(0.3)
    bench.add(*sent[12:])
    assert bench.asked >= 1
    shown = [frame.timestamp for frame in bench.frames]
    assert shown == [sent[3 * index].timestamp for index in (0, *range(8, 20))]
    assert bench.buffer.lost > 0


def test_what_waits_is_bounded_without_a_clock() -> None:
    sent = packets(1200, each=1, first=0)
    bench = Bench()
    # Everything within the time a hole may wait.
    for packet in (packet for packet in sent if packet.sequence_number != 5):
        bench.buffer.add(packet)
    assert len(bench.buffer._packets) <= 1024


def test_nothing_is_shown_before_the_first_key_frame() -> None:
    bench = Bench()
    bench.add(*packets(4, key_every=3)[3:])
    assert [frame.key for frame in bench.frames] == [True]


def test_padding_is_no_frame() -> None:
    sent = packets(3, each=1)
    sent[1]._data = b""  # type: ignore[attr-defined]
    bench = Bench()
    bench.add(*sent)
    assert len(bench.frames) == 2


def test_key_frames_of_both_codecs() -> None:
    assert is_key("vp8", b"\x10")
    assert not is_key("vp8", b"\x11")
    assert not is_key("vp8", b"")
    start = b"\x00\x00\x00\x01"
    assert is_key("h264", start + b"\x67sps" + start + b"\x65idr")
    assert is_key("h264", start + b"\x09\x10" + start + b"\x65")
    assert not is_key("h264", start + b"\x41slice")
    assert not is_key("h264", b"\x00\x00\x01")
