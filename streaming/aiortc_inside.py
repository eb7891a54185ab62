"""Everything that we do to aiortc's insides, in one place. Its version is pinned; `check` tells what has moved.

* The jitter buffer of an audio receiver counts packets (four are held: 80 ms each way) and never catches up after a
  loss. Ours takes its place in the receiver: it is handed every packet in the order of arrival, and gives aiortc
  nothing to decode. RTCP reports, RTX and routing stay aiortc's.
* The DTLS suites that it offers need ECDSA certificates; GStreamer and FFmpeg come with RSA ones.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib import metadata
from typing import Any

from aiortc import RTCPeerConnection, RTCRtpReceiver
from aiortc.rtcdtlstransport import RTCCertificate, SRTPProtectionProfile
from aiortc.rtp import RtpPacket
from OpenSSL import SSL

from engine.errors import EngineFault

VERSION = "1.16.0"
"""The version that this was read and measured with."""

_JITTER_BUFFER = "_RTCRtpReceiver__jitter_buffer"
_CERTIFICATES = "_RTCPeerConnection__certificates"
_SUITES = (
    b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA:"
    b"ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-CHACHA20-POLY1305:ECDHE-RSA-AES128-SHA"
)
"""aiortc's own, then those that a peer with an RSA certificate needs. All have forward secrecy."""

Take = Callable[[RtpPacket], None]


class AiortcMoved(EngineFault):
    """aiortc is not what this was written against."""


class EveryPacket:
    """Stands where aiortc's audio jitter buffer stood: hands each packet to `take`, keeps nothing."""

    def __init__(self, take: Take) -> None:
        self._take = take

    def add(self, packet: RtpPacket) -> tuple[bool, None]:
        """No picture is lost, no frame is complete: aiortc has nothing to do."""
        self._take(packet)
        return False, None


class WideCertificate(RTCCertificate):
    """A certificate whose DTLS context also talks to peers with RSA certificates."""

    def _create_ssl_context(self, srtp_profiles: list[SRTPProtectionProfile]) -> SSL.Context:
        context = super()._create_ssl_context(srtp_profiles)
        context.set_cipher_list(_SUITES)
        return context


def take_every_packet(receiver: RTCRtpReceiver, take: Take) -> None:
    """From now on `take` gets every RTP packet of an audio receiver, on the event loop, as it comes.

    `take` must not raise: aiortc would close the connection.

    Raises:
        AiortcMoved: this receiver is built otherwise.
    """
    if not hasattr(receiver, _JITTER_BUFFER):
        raise AiortcMoved(f"aiortc's receiver has no {_JITTER_BUFFER}")
    setattr(receiver, _JITTER_BUFFER, EveryPacket(take))


def let_go(receiver: RTCRtpReceiver) -> None:
    """Packets of this receiver are dropped from now on."""
    setattr(receiver, _JITTER_BUFFER, EveryPacket(lambda packet: None))


def accept_rsa_peers(connection: RTCPeerConnection) -> None:
    """Offer ECDHE-RSA suites too. Call it right after the connection is made, before anything is negotiated.

    Raises:
        AiortcMoved: this connection is built otherwise.
    """
    held: Any = getattr(connection, _CERTIFICATES, None)
    if not isinstance(held, list) or not all(type(entry) in (RTCCertificate, WideCertificate) for entry in held):
        raise AiortcMoved(f"aiortc's connection has no {_CERTIFICATES}")
    held[:] = [WideCertificate(entry._key, entry._cert) for entry in held]


def check() -> list[str]:
    """What differs from the aiortc that this was written against; empty where nothing does."""
    moved = []
    installed = metadata.version("aiortc")
    if installed != VERSION:
        moved.append(f"aiortc {installed} is installed, {VERSION} was read")
    receiver = inspect.getsource(RTCRtpReceiver)
    for piece in (
        "self.__jitter_buffer = JitterBuffer(capacity=16, prefetch=4)",
        "pli_flag, encoded_frame = self.__jitter_buffer.add(packet)",
        "if encoded_frame is not None and self.__decoder_thread:",
    ):
        if piece not in receiver:
            moved.append(f"RTCRtpReceiver no longer says {piece!r}")
    if receiver.count("__jitter_buffer") != 3:
        moved.append("RTCRtpReceiver uses its jitter buffer elsewhere too")
    if "self.__certificates = [RTCCertificate.generateCertificate()]" not in inspect.getsource(RTCPeerConnection):
        moved.append("RTCPeerConnection keeps its certificates elsewhere")
    if "set_cipher_list(" not in inspect.getsource(RTCCertificate._create_ssl_context):
        moved.append("RTCCertificate no longer names the DTLS suites")
    return moved
