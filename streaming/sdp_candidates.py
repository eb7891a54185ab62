"""ICE candidates of a peer: which of them can be used, and which have to be looked up first.

A browser that was not allowed to use a microphone hides its addresses behind names (`….local`, by mDNS,
draft-ietf-mmusic-mdns-ice-candidates). On its own network they can be resolved; everywhere else it takes a second to
be certain that they cannot, and the connection comes about all the same: the peer's first check tells where it is
(RFC 8445, section 7.3.1.3). So no answer waits for a name. And the end of candidates is not passed on: where no name
could be resolved, it would mean that this peer cannot be reached at all, and ICE would give up before that first check.
"""

from __future__ import annotations

import ipaddress

from aiortc import RTCIceCandidate
from aiortc.sdp import candidate_from_sdp

_TYPES = ("host", "srflx", "prflx", "relay")
_BEGIN, _END = "a=candidate:", "a=end-of-candidates"


def read_candidate(value: str) -> RTCIceCandidate | None:
    """What follows `candidate:`, or None: TCP, names but for mDNS, and nonsense are skipped silently."""
    try:
        candidate = candidate_from_sdp(value)
        if not _is_named(candidate.ip):
            ipaddress.ip_address(candidate.ip)
    except (ValueError, AssertionError, IndexError):
        return None
    if candidate.protocol.lower() != "udp" or candidate.type not in _TYPES or not 0 < candidate.port < 65536:
        return None
    return candidate


def _is_named(address: str) -> bool:
    return address.lower().endswith(".local")


def set_aside(text: str) -> tuple[str, list[RTCIceCandidate]]:
    """An offer without the candidates that are names and without the end of candidates, and those names.

    Candidates for RTCP alone (component 2) are not among them: here it goes over the port of RTP.
    """
    kept: list[str] = []
    named: list[RTCIceCandidate] = []
    for line in text.splitlines():
        parts = line.split()
        if line.startswith(_BEGIN) and len(parts) > 4 and _is_named(parts[4]):
            candidate = read_candidate(line.removeprefix(_BEGIN))
            if candidate is not None and candidate.component == 1:
                named.append(candidate)
        elif not line.startswith(_END):
            kept.append(line)
    return "\r\n".join(kept) + "\r\n", named
