"""The canary: it fails loudly when aiortc moves the parts that we lean on."""

from __future__ import annotations

import pytest
from aiortc import RTCPeerConnection
from aiortc.rtcdtlstransport import SRTP_PROFILES, RTCCertificate
from OpenSSL import SSL

from streaming import aiortc_inside
from streaming.aiortc_inside import AiortcMoved, EveryPacket, WideCertificate


def test_aiortc_is_the_version_that_was_read_and_nothing_has_moved() -> None:
    assert aiortc_inside.check() == []


def test_a_moved_part_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aiortc_inside, "VERSION", "1.15.0")
    assert any("1.15.0 was read" in line for line in aiortc_inside.check())


async def test_a_receiver_gives_its_packets_to_us() -> None:
    connection = RTCPeerConnection()
    transceiver = connection.addTransceiver("audio")
    taken: list[object] = []
    aiortc_inside.take_every_packet(transceiver.receiver, taken.append)
    held = getattr(transceiver.receiver, "_RTCRtpReceiver__jitter_buffer")  # noqa: B009
    assert isinstance(held, EveryPacket)
    assert held.add("packet") == (False, None)  # type: ignore[arg-type]
    aiortc_inside.let_go(transceiver.receiver)
    await connection.close()
    assert taken == ["packet"]


def test_something_else_than_a_receiver_is_refused() -> None:
    with pytest.raises(AiortcMoved):
        aiortc_inside.take_every_packet(object(), print)  # type: ignore[arg-type]
    with pytest.raises(AiortcMoved):
        aiortc_inside.accept_rsa_peers(object())  # type: ignore[arg-type]


async def test_rsa_suites_are_offered_beside_the_ecdsa_ones() -> None:
    connection = RTCPeerConnection()
    aiortc_inside.accept_rsa_peers(connection)
    [certificate] = getattr(connection, "_RTCPeerConnection__certificates")  # noqa: B009
    assert isinstance(certificate, WideCertificate)
    context = certificate._create_ssl_context(SRTP_PROFILES)
    offered = SSL.Connection(context, None).get_cipher_list()
    await connection.close()
    for suite in aiortc_inside._SUITES.decode().split(":"):
        assert suite in offered


def test_a_certificate_keeps_its_fingerprint() -> None:
    plain = RTCCertificate.generateCertificate()
    assert WideCertificate(plain._key, plain._cert).getFingerprints() == plain.getFingerprints()
