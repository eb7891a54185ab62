"""What a peer offers, judged before any of it reaches aiortc: an offer is taken whole or refused whole.

aiortc's parser believes what it reads; here the text is bounded first, and whatever the parser stumbles over becomes
one refusal. Rules: RFC 9725 (one bundle, RTP and RTCP on one port, one stream) and what this server can use (Opus in,
VP8 or H.264 passed through, one data channel).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from aiortc.codecs import CODECS
from aiortc.rtcpeerconnection import find_common_codecs
from aiortc.sdp import MediaDescription, SessionDescription

from streaming.problem import Problem

SDP_BYTES: Final = 128 * 1024
MOST_LINES = 2000
MOST_SECTIONS = 24
"""One that sends, and one for each of 16 targets and the residual, picture, data; the rest is room."""
MOST_CANDIDATES = 64
"""Of one offer, and trickled later, each. Every candidate is an address that this server sends packets to."""
LONGEST_LINE = 4096
_TRANSPORT = ("a=ice-ufrag:", "a=ice-pwd:", "a=ice-options:", "a=fingerprint:", "a=setup:", "a=rtcp-mux")
_FINGERPRINTS = ("sha-256", "sha-384", "sha-512")


@dataclass(frozen=True, slots=True)
class Section:
    """One m-line that this server can use.

    Attributes:
        index: in the offer.
        mid: its name there.
        kind: `audio`, `video` or `application`.
        sends, receives: what the peer wants to do.
        codec: what it will carry, lower case: `opus`, `vp8`, `h264`; empty for data.
        codecs: those of the offer that we have.
    """

    index: int
    mid: str
    kind: str
    sends: bool
    receives: bool
    codec: str = ""
    codecs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Offer:
    """An offer that can be answered.

    Attributes:
        text: as it came.
        sections: all of them, in order.
        stereo: the peer says that it sends two channels (RFC 7587, `sprop-stereo`).
        username, password: of its ICE agent.
    """

    text: str
    sections: tuple[Section, ...]
    stereo: bool
    username: str
    password: str

    def of(self, kind: str) -> list[Section]:
        """The sections of a kind."""
        return [section for section in self.sections if section.kind == kind]


def malformed(detail: str) -> Problem:
    """400: this is no SDP, or a broken one."""
    return Problem(400, "malformed_sdp", detail)


def unusable(detail: str) -> Problem:
    """422: well-formed, and nothing this server can answer."""
    return Problem(422, "unusable_offer", detail)


def read_offer(body: bytes) -> Offer:
    """An offer from an HTTP body.

    Raises:
        Problem: 400 malformed, 413 too long, 422 nothing we can use, 406 no codec in common.
    """
    if len(body) > SDP_BYTES:
        raise Problem(413, "sdp_too_large", f"an SDP has at most {SDP_BYTES} bytes")
    text = _completed(_text(body))
    description = _parsed(text)
    _check_transport(description)
    sections = tuple(_section(index, media) for index, media in enumerate(description.media))
    if len({section.mid for section in sections}) < len(sections):
        raise malformed("two m-lines have the same mid")
    username, password = _agent(description.media[0])
    return Offer(text, sections, _is_stereo(description), username, password)


def _text(body: bytes) -> str:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise malformed("the SDP is not UTF-8") from None
    if not text.startswith("v=0"):
        raise malformed("an SDP begins with v=0")
    lines = text.splitlines()
    if len(lines) > MOST_LINES or max(map(len, lines)) > LONGEST_LINE:
        raise malformed(f"an SDP has at most {MOST_LINES} lines of at most {LONGEST_LINE} characters")
    sections = sum(line.startswith("m=") for line in lines)
    if not 1 <= sections <= MOST_SECTIONS:
        raise malformed(f"an offer has 1 to {MOST_SECTIONS} m-lines, not {sections}")
    if sum(line.startswith("a=candidate:") for line in lines) > MOST_CANDIDATES * sections:
        raise malformed(f"more than {MOST_CANDIDATES} candidates")
    return text


def _completed(text: str) -> str:
    """The offer with the transport of the first m-line in those that leave it out.

    A client with the policy max-bundle may say it once (RFC 9429, section 5.2.1, `a=bundle-only`); aiortc wants it
    everywhere.
    """
    parts = re.split(r"(?m)^(?=m=)", text)
    shared = [line for line in parts[1].splitlines() if line.startswith(_TRANSPORT)]
    for index in range(2, len(parts)):
        if "a=bundle-only" in parts[index] and "a=ice-ufrag:" not in parts[index]:
            wanted = [line for line in shared if line not in parts[index].splitlines()]
            parts[index] = parts[index].rstrip("\r\n") + "\r\n" + "\r\n".join(wanted) + "\r\n"
    return "".join(parts)


def _parsed(text: str) -> SessionDescription:
    try:
        description = SessionDescription.parse(text)
    except Exception as error:
        # aiortc's parser says what it stumbles over with whatever Python raises there.
        raise malformed(f"the SDP cannot be read ({type(error).__name__})") from error
    description.type = "offer"
    return description


def _agent(media: MediaDescription) -> tuple[str, str]:
    """Name and password of the ICE agent."""
    if media.ice is None or not media.ice.usernameFragment or not media.ice.password:
        raise malformed("an m-line has no ice-ufrag and ice-pwd")
    return media.ice.usernameFragment, media.ice.password


def _check_transport(description: SessionDescription) -> None:
    candidates = 0
    for media in description.media:
        _agent(media)
        # aiortc leaves `dtls` out where there is no a=setup.
        if media.dtls is None or media.dtls.role not in ("auto", "client", "server"):
            raise malformed("an m-line has no a=setup")
        if not any(one.algorithm.lower() in _FINGERPRINTS for one in media.dtls.fingerprints):
            raise malformed("an m-line has no fingerprint by sha-256")
        if media.kind in ("audio", "video") and not media.rtcp_mux:
            raise unusable("RTP and RTCP go over one port here: a=rtcp-mux")
        candidates = max(candidates, len(media.ice_candidates))
    if candidates > MOST_CANDIDATES:
        raise malformed(f"more than {MOST_CANDIDATES} candidates")
    bundles = [group.items for group in description.group if group.semantic == "BUNDLE"]
    mids = [_mid(media) for media in description.media]
    if len(mids) > 1 and (len(bundles) != 1 or sorted(map(str, bundles[0])) != sorted(mids)):
        raise unusable("all m-lines go over one transport here: a=group:BUNDLE with every mid")


def _mid(media: MediaDescription) -> str:
    """The name of an m-line; aiortc says None where a damaged one has none, whatever its types say."""
    return media.rtp.muxId or ""


def _section(index: int, media: MediaDescription) -> Section:
    mid = _mid(media)
    if media.kind == "application":
        if media.profile not in ("UDP/DTLS/SCTP", "DTLS/SCTP") or (media.sctp_port is None and not media.sctpmap):
            raise unusable(f"m-line {index}: a data channel is UDP/DTLS/SCTP with an a=sctp-port")
        return Section(index, mid, "application", sends=True, receives=True)
    if media.kind not in ("audio", "video"):
        raise unusable(f"m-line {index}: {media.kind[:20]!r} is neither audio, video nor a data channel")
    direction = media.direction or "sendrecv"
    codecs = _codecs(index, media)
    sends, receives = direction in ("sendonly", "sendrecv"), direction in ("recvonly", "sendrecv")
    return Section(index, mid, media.kind, sends, receives, codecs[0], codecs)


def _codecs(index: int, media: MediaDescription) -> tuple[str, ...]:
    """The codecs of an m-line that we have, in the peer's order; of audio only Opus counts."""
    try:
        offered = [codec for codec in media.rtp.codecs if codec.payloadType in media.fmt]
        common = find_common_codecs(CODECS[media.kind], offered)
    except Exception as error:
        raise malformed(f"m-line {index}: its codecs cannot be read ({type(error).__name__})") from error
    names = [codec.name.lower() for codec in common if codec.name.lower() != "rtx"]
    if media.kind == "audio":
        names = [name for name in names if name == "opus"]
    if not names:
        wanted = "Opus at 48 kHz" if media.kind == "audio" else "VP8 or H.264"
        raise Problem(406, "no_common_codec", f"m-line {index} ({media.kind}): this server speaks {wanted}")
    return tuple(dict.fromkeys(names))


def _is_stereo(description: SessionDescription) -> bool:
    for media in description.media:
        if media.kind == "audio":
            return any(str(codec.parameters.get("sprop-stereo")) == "1" for codec in media.rtp.codecs)
    return False
