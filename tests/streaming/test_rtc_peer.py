"""One peer connection: codecs, candidates, and its single end."""

from __future__ import annotations

import asyncio

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection

from streaming.problem import Problem
from streaming.rtc_peer import Peer
from streaming.sdp_fragment import read_fragment
from streaming.sdp_offer import Offer, read_offer
from tests.streaming.live import PATIENCE_S
from tests.streaming.rtc import Tone


async def offer_of(*kinds: str) -> Offer:
    """What a client would offer."""
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    for kind in kinds:
        connection.addTransceiver(Tone() if kind == "audio" else kind, "sendrecv")
    await connection.setLocalDescription(await connection.createOffer())
    text = str(connection.localDescription.sdp)
    await connection.close()
    return read_offer(text.encode())


def peer(reasons: list[str]) -> Peer:
    """A peer that notes why it is over."""
    return Peer("test", [], relay_only=False, connect_s=5.0, over=reasons.append)


async def test_an_answer_has_one_codec_for_each_line_and_all_candidates() -> None:
    one = peer([])
    await one.take(await offer_of("audio", "video"), ["sendrecv", "recvonly"], stereo=True)
    text = await one.answer()
    await one.close()
    codecs = [line.split(" ", 1)[1] for line in text.splitlines() if line.startswith("a=rtpmap:")]
    assert codecs == ["opus/48000/2", "VP8/90000", "rtx/90000"]
    assert "useinbandfec=1" in text
    assert "sprop-stereo=1" in text
    assert "a=end-of-candidates" in text
    assert "a=recvonly" in text


async def test_no_server_of_others_is_asked_for_candidates() -> None:
    one = peer([])
    await one.take(await offer_of("audio"), ["recvonly"], stereo=False)
    text = await one.answer()
    await one.close()
    assert "typ srflx" not in text
    assert "sprop-stereo" not in text


async def test_who_has_no_address_cannot_answer() -> None:
    one = Peer("test", [], relay_only=True, connect_s=1.0, over=lambda reason: None)
    await one.take(await offer_of("audio"), ["recvonly"], stereo=False)
    with pytest.raises(Problem):
        await one.answer()
    await one.close()


async def test_time_runs_out_once() -> None:
    reasons: list[str] = []
    told = asyncio.Event()

    def over(reason: str) -> None:
        reasons.append(reason)
        told.set()

    one = Peer("test", [], relay_only=False, connect_s=0.01, over=over)
    await one.take(await offer_of("audio"), ["recvonly"], stereo=False)
    await one.answer()
    async with asyncio.timeout(PATIENCE_S):
        await told.wait()
    await one.close()
    await one.close()
    assert reasons == ["ICE was not done after 0.01 s"]


async def test_a_fragment_is_a_restart_when_it_names_another_agent() -> None:
    one = peer([])
    offer = await offer_of("audio")
    await one.take(offer, ["recvonly"], stereo=False)
    agent = f"a=ice-ufrag:{offer.username}\r\na=ice-pwd:{offer.password}\r\n"
    assert not one.is_restart(read_fragment(agent.encode()))
    assert one.is_restart(read_fragment(agent.replace("ufrag:", "ufrag:x").encode()))
    await one.answer()
    # Whatever is trickled, nothing raises, and the number is bounded.
    many = "".join(f"a=candidate:{n} 1 udp 1 192.0.2.{n % 250} {n + 1} typ host\r\n" for n in range(200))
    for _ in range(3):
        one.add_candidates(read_fragment((agent + many + "a=end-of-candidates\r\n").encode()))
    assert one._trickled <= 64
    await one.close()


async def test_nobody_waits_for_names_that_cannot_be_resolved() -> None:
    """What a Firefox without a microphone offers: names alone, and no more to come."""
    offer = await offer_of("audio")
    lines = [line for line in offer.text.split("\r\n") if "candidate" not in line]
    names = [f"a=candidate:{n} {part} UDP 2122187007 no-such-{n}.local 44748 typ host" for n in "01" for part in "12"]
    at = lines.index("a=rtcp-mux")
    named = "\r\n".join([*lines[:at], *names, "a=end-of-candidates", *lines[at:]])
    one = peer([])
    await one.take(read_offer(named.encode()), ["sendonly"], stereo=False)
    assert "a=candidate:" in await one.answer()
    (looking_up,) = one._adding
    await looking_up
    # None was found, and the peer may still show itself by its own first check.
    assert one.connection.iceConnectionState == "checking"
    await one.close()


async def test_what_aiortc_stumbles_over_is_a_problem() -> None:
    one = peer([])
    offer = await offer_of("audio")
    broken = Offer(offer.text.replace("a=rtcp-mux", "a=none"), offer.sections, False, "u", "p")
    with pytest.raises(Problem) as refused:
        await one.take(broken, ["recvonly"], stereo=False)
    assert refused.value.status == 422
    await one.close()
