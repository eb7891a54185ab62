"""Two real peers on this machine: UDP, ICE, DTLS and SRTP of aiortc, with a network of ours in between if wanted."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiortc import RTCPeerConnection

from streaming import aiortc_inside


def has_address() -> bool:
    """Whether this machine has an address other than loopback: aioice offers no other."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return False
        return not probe.getsockname()[0].startswith("127.")


needs_address = pytest.mark.skipif(not has_address(), reason="WebRTC needs an address beside loopback")


@asynccontextmanager
async def two_peers() -> AsyncIterator[tuple[RTCPeerConnection, RTCPeerConnection]]:
    """Two peers that are closed at the end."""
    peers = RTCPeerConnection(), RTCPeerConnection()
    for peer in peers:
        aiortc_inside.accept_rsa_peers(peer)
    try:
        yield peers
    finally:
        await asyncio.gather(*(peer.close() for peer in peers))


async def negotiate(offering: RTCPeerConnection, answering: RTCPeerConnection) -> None:
    """One round of offer and answer."""
    await offering.setLocalDescription(await offering.createOffer())
    await answering.setRemoteDescription(offering.localDescription)
    await answering.setLocalDescription(await answering.createAnswer())
    await offering.setRemoteDescription(answering.localDescription)
