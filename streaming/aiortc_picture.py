"""What we do to aiortc's insides for the picture's sake; `aiortc_inside` has the rest, and the pinned version.

* Its jitter buffer of a video receiver is replaced: whole coded frames are taken there, and nothing is decoded.
* Sender reports are heard before aiortc keeps two numbers of each and drops the rest.
* A viewer's request for a key frame is passed on: frames are sent as they came, so no encoder of ours could make one.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Protocol

from aiortc import RTCRtpReceiver, RTCRtpSender
from aiortc.rtp import AnyRtcpPacket, RtcpSrPacket, RtpPacket

from streaming.aiortc_inside import AiortcMoved

_JITTER_BUFFER = "_RTCRtpReceiver__jitter_buffer"


class PacketBuffer(Protocol):
    """What stands where aiortc's jitter buffer stood."""

    def add(self, packet: RtpPacket) -> tuple[bool, None]:
        """One packet; whether a key frame is to be asked for, and no frame to decode."""


def replace_picture_buffer(receiver: RTCRtpReceiver, buffer: PacketBuffer) -> None:
    """Every RTP packet of a video receiver goes to `buffer` from now on.

    Raises:
        AiortcMoved: this receiver is built otherwise.
    """
    if not hasattr(receiver, _JITTER_BUFFER):
        raise AiortcMoved(f"aiortc's receiver has no {_JITTER_BUFFER}")
    setattr(receiver, _JITTER_BUFFER, buffer)


def hear_reports(receiver: RTCRtpReceiver, hear: Callable[[int, int], None]) -> None:
    """Have `hear(ntp, rtp_timestamp)` told of every sender report of a receiver's stream."""
    inner = receiver._handle_rtcp_packet

    async def handle(packet: AnyRtcpPacket) -> None:
        if isinstance(packet, RtcpSrPacket):
            hear(packet.sender_info.ntp_timestamp, packet.sender_info.rtp_timestamp)
        await inner(packet)

    _set(receiver, "_handle_rtcp_packet", handle)


def hear_key_requests(sender: RTCRtpSender, ask: Callable[[], None]) -> None:
    """Have `ask` called when the other side asks for a key frame (PLI, FIR)."""
    _set(sender, "_send_keyframe", ask)


async def ask_for_key(receiver: RTCRtpReceiver) -> None:
    """Ask the sender of a picture for a key frame (PLI, RFC 4585, section 6.3.1)."""
    for source in receiver.getSynchronizationSources():
        await receiver._send_rtcp_pli(source.source)


def _set(target: Any, name: str, value: Any) -> None:
    if not hasattr(target, name):
        raise AiortcMoved(f"aiortc's {type(target).__name__} has no {name}")
    setattr(target, name, value)


def check() -> list[str]:
    """What differs from the aiortc that this was written against; empty where nothing does."""
    receiver, sender = inspect.getsource(RTCRtpReceiver), inspect.getsource(RTCRtpSender)
    pieces = {
        receiver: (
            "pli_flag, encoded_frame = self.__jitter_buffer.add(packet)",
            "packet._data = depayload(codec, packet.payload)",
            "async def _send_rtcp_pli(self, media_ssrc: int)",
            "async def _handle_rtcp_packet(self, packet",
        ),
        sender: ("self._send_keyframe()", "payloads, timestamp = self.__encoder.pack(data)"),
    }
    return [
        f"{source.split('(')[0].split(':')[0]} no longer says {piece!r}"
        for source, wanted in pieces.items()
        for piece in wanted
        if piece not in source
    ]
