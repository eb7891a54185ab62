"""One peer connection: our certificate and codecs, an answer with every candidate in it, a deadline, one end.

It knows nothing of sessions; `webrtc` puts what is heard and said into it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Literal

from aiortc import (
    RTCBundlePolicy,
    RTCConfiguration,
    RTCIceCandidate,
    RTCPeerConnection,
    RTCRtpTransceiver,
    RTCSessionDescription,
)
from aiortc.rtcconfiguration import RTCIceTransportPolicy

from streaming import aiortc_inside
from streaming.ice_servers import IceServer
from streaming.sdp_candidates import set_aside
from streaming.sdp_fragment import Fragment
from streaming.sdp_offer import MOST_CANDIDATES, Offer, Section, unusable

log = logging.getLogger("winnow.streaming.webrtc")

_CLOSE_WITHIN_S = 5.0

Direction = Literal["sendrecv", "sendonly", "recvonly", "inactive"]


class Peer:
    """See the module. On the event loop.

    Args:
        name: for the log.
        servers: where candidates of our own are asked for beside our interfaces.
        relay_only: only those of a TURN server count.
        connect_s: how long the peer may take from our answer on.
        over: told once why there is no connection (any more); closing is the caller's.
    """

    def __init__(
        self,
        name: str,
        servers: Sequence[IceServer],
        *,
        relay_only: bool,
        connect_s: float,
        over: Callable[[str], None],
    ) -> None:
        self.name = name
        self.connected = False
        self.lines: dict[int, RTCRtpTransceiver] = {}
        """By index of the offer's m-line."""
        policy = RTCIceTransportPolicy.RELAY if relay_only else RTCIceTransportPolicy.ALL
        # An empty list is not None: aiortc would ask a server of Google's where it is told of none.
        configuration = RTCConfiguration(
            [server.for_aiortc() for server in servers], policy, RTCBundlePolicy.MAX_BUNDLE
        )
        self.connection = RTCPeerConnection(configuration)
        aiortc_inside.accept_rsa_peers(self.connection)
        self.connection.on("connectionstatechange", self._on_state)
        self._connect_s = connect_s
        self._over: Callable[[str], None] | None = over
        self._deadline: asyncio.TimerHandle | None = None
        self._offer: Offer | None = None
        self._trickled = 0
        self._named: Sequence[RTCIceCandidate] = ()
        self._adding: set[asyncio.Task[None]] = set()
        self._closing: asyncio.Task[None] | None = None

    # --- offer and answer -------------------------------------------------------------------------------------

    async def take(self, offer: Offer, directions: Sequence[Direction], *, stereo: bool) -> None:
        """Apply an offer. Tracks are put into `lines` after this, and then `answer` is called.

        Args:
            directions: ours, one for each section; ignored for data.
            stereo: what Opus carries.

        Raises:
            Problem: aiortc cannot use the offer after all.
        """
        self._offer = offer
        text, self._named = set_aside(offer.text)
        for section, direction in zip(offer.sections, directions, strict=True):
            if section.kind != "application":
                self.lines[section.index] = self.connection.addTransceiver(section.kind, direction)
        try:
            await self.connection.setRemoteDescription(RTCSessionDescription(text, "offer"))
        except Exception as error:
            log.info("peer %s: aiortc refuses the offer", self.name, exc_info=error)
            raise unusable(f"the offer cannot be answered ({type(error).__name__})") from error
        for section in offer.sections:
            if section.kind != "application":
                self._choose_codec(section, stereo)

    def _choose_codec(self, section: Section, stereo: bool) -> None:
        """Leave one codec (and its retransmissions): what is passed through must be what was offered both ways."""
        line = self.lines[section.index]
        chosen = next(codec for codec in line._codecs if codec.name.lower() == section.codec)
        line._codecs = [
            codec for codec in line._codecs
            if codec is chosen or (codec.name.lower() == "rtx" and codec.parameters.get("apt") == chosen.payloadType)
        ]  # fmt: skip
        if section.codec == "opus":
            # RFC 7587, section 6.1: what we can hear, and what we send.
            chosen.parameters = {"minptime": 10, "useinbandfec": 1}
            if stereo:
                chosen.parameters |= {"stereo": 1, "sprop-stereo": 1}

    async def answer(self) -> str:
        """Gather candidates, start to connect; the SDP of the answer.

        Raises:
            Problem: there is no candidate to offer.
        """
        await self.connection.setLocalDescription(await self.connection.createAnswer())
        text = str(self.connection.localDescription.sdp)
        if "a=candidate:" not in text:
            raise unusable("this server has no network address that it could offer")
        self._deadline = asyncio.get_running_loop().call_later(self._connect_s, self._too_late)
        self._add(self._named)
        return text

    # --- trickled candidates ----------------------------------------------------------------------------------

    def is_restart(self, fragment: Fragment) -> bool:
        """Whether a fragment names another ICE agent than the offer."""
        assert self._offer is not None
        return (fragment.username, fragment.password) != (self._offer.username, self._offer.password)

    def add_candidates(self, fragment: Fragment) -> None:
        """Take trickled candidates; what cannot be used, or is too many, is left out."""
        room = max(MOST_CANDIDATES - self._trickled, 0)
        candidates = fragment.candidates[:room]
        self._trickled += len(candidates)
        self._add(candidates)

    def _add(self, candidates: Sequence[RTCIceCandidate]) -> None:
        if candidates:
            task = asyncio.create_task(self._look_up(candidates), name=f"candidates {self.name}")
            self._adding.add(task)
            task.add_done_callback(self._adding.discard)

    async def _look_up(self, candidates: Sequence[RTCIceCandidate]) -> None:
        """Add candidates, all at once: each may be a name that somebody has to be asked for."""
        adding = (self.connection.addIceCandidate(self._placed(candidate)) for candidate in candidates)
        for error in await asyncio.gather(*adding, return_exceptions=True):
            if error is not None:
                log.info("peer %s: a candidate is left out: %s", self.name, error)

    def _placed(self, candidate: RTCIceCandidate) -> RTCIceCandidate:
        """All goes over the first m-line's transport, whatever line the candidate was listed under."""
        assert self._offer is not None
        candidate.sdpMid, candidate.sdpMLineIndex = self._offer.sections[0].mid, 0
        return candidate

    # --- the end ----------------------------------------------------------------------------------------------

    def _on_state(self) -> None:
        state = self.connection.connectionState
        if state == "connected":
            self.connected = True
            self._forget_deadline()
        elif state == "failed":
            if self.connected:
                reason = "the connection to the peer was lost"
            elif self.connection.iceConnectionState == "failed":
                reason = "ICE failed: no path between the peer's addresses and ours"
            else:
                reason = "the DTLS handshake failed"
            self._tell_over(reason)
        elif state == "closed":
            self._tell_over("the peer has gone")

    def _too_late(self) -> None:
        stage = "ICE" if self.connection.iceConnectionState != "completed" else "the DTLS handshake"
        self._tell_over(f"{stage} was not done after {self._connect_s:g} s")

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _tell_over(self, reason: str) -> None:
        over, self._over = self._over, None
        if over is not None:
            over(reason)

    async def close(self) -> None:
        """End the connection; harmless when repeated."""
        self._over = None
        self._forget_deadline()
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(), name=f"close {self.name}")
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        for task in self._adding:
            task.cancel()
        try:
            async with asyncio.timeout(_CLOSE_WITHIN_S):
                await self.connection.close()
        except TimeoutError:
            log.warning("peer %s did not close within %g s", self.name, _CLOSE_WITHIN_S)
        self.connection.remove_all_listeners()
