"""Trickled ICE candidates: the body of a PATCH, `application/trickle-ice-sdpfrag` (RFC 8840, RFC 9725)."""

from __future__ import annotations

from dataclasses import dataclass

from aiortc import RTCIceCandidate

from streaming.sdp_candidates import read_candidate
from streaming.sdp_offer import LONGEST_LINE, MOST_CANDIDATES, MOST_LINES, malformed


@dataclass(frozen=True, slots=True)
class Fragment:
    """What a client trickles.

    Attributes:
        username, password: of its ICE agent; other ones than in the offer ask for a restart.
        candidates: those that make sense, with the mid they were under.
    """

    username: str | None
    password: str | None
    candidates: tuple[RTCIceCandidate, ...]


def read_fragment(body: bytes) -> Fragment:
    """A fragment from an HTTP body. Candidates that cannot be understood are left out, as RFC 9725 wants it.

    Raises:
        Problem: 400, this is no SDP fragment.
    """
    username = password = mid = None
    found: list[RTCIceCandidate] = []
    for line in _lines(body):
        name, _, value = line[2:].partition(":")
        if line[0] != "a":
            continue
        if name == "ice-ufrag":
            username = value
        elif name == "ice-pwd":
            password = value
        elif name == "mid":
            mid = value
        elif name == "candidate" and (candidate := read_candidate(value)) is not None:
            candidate.sdpMid = mid
            found.append(candidate)
    if username is None or password is None:
        raise malformed("a fragment names a=ice-ufrag and a=ice-pwd")
    return Fragment(username, password, tuple(found[:MOST_CANDIDATES]))


def _lines(body: bytes) -> list[str]:
    try:
        lines = [line.strip() for line in body.decode().splitlines() if line.strip()]
    except UnicodeDecodeError:
        raise malformed("the fragment is not UTF-8") from None
    if len(lines) > MOST_LINES or any(len(line) > LONGEST_LINE for line in lines):
        raise malformed(f"a fragment has at most {MOST_LINES} lines of at most {LONGEST_LINE} characters")
    for line in lines:
        if len(line) < 2 or line[1] != "=" or not line[0].isalpha():
            raise malformed("a line of the fragment is not of the form x=…")
    return lines
