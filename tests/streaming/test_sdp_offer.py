"""Offers, good and hostile: each is taken whole or refused with a status, and no parser's error comes through."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.problem import Problem
from streaming.sdp_offer import MOST_CANDIDATES, MOST_LINES, MOST_SECTIONS, SDP_BYTES, Offer, read_offer

FINGERPRINT = "a=fingerprint:sha-256 " + ":".join(["AB"] * 32)
AGENT = ["a=ice-ufrag:abcd", "a=ice-pwd:abcdefghijklmnopqrstuv", FINGERPRINT, "a=setup:actpass"]
OPUS = ["a=rtpmap:111 opus/48000/2", "a=fmtp:111 minptime=10;useinbandfec=1"]
VP8 = ["a=rtpmap:96 VP8/90000", "a=rtpmap:97 rtx/90000", "a=fmtp:97 apt=96"]
H264 = ["a=rtpmap:102 H264/90000", "a=fmtp:102 packetization-mode=1;profile-level-id=42e01f"]


def audio(mid: str = "0", direction: str = "sendrecv", *more: str) -> list[str]:
    """An m-line of sound."""
    head = ["m=audio 9 UDP/TLS/RTP/SAVPF 111", "c=IN IP4 0.0.0.0", f"a=mid:{mid}", f"a={direction}", "a=rtcp-mux"]
    return [*head, *AGENT, *OPUS, *more]


def video(mid: str = "1", direction: str = "sendonly", codecs: list[str] | None = None) -> list[str]:
    """An m-line of pictures."""
    codecs = VP8 if codecs is None else codecs
    kinds = " ".join(line.split(":")[1].split()[0] for line in codecs if line.startswith("a=rtpmap")) or "96"
    head = [f"m=video 9 UDP/TLS/RTP/SAVPF {kinds}", "c=IN IP4 0.0.0.0", f"a=mid:{mid}", f"a={direction}", "a=rtcp-mux"]
    return [*head, *AGENT, *codecs]


def data(mid: str = "2") -> list[str]:
    """An m-line of a data channel."""
    head = ["m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "c=IN IP4 0.0.0.0", f"a=mid:{mid}"]
    return [*head, *AGENT, "a=sctp-port:5000", "a=max-message-size:262144"]


def sdp(*sections: list[str], bundle: str | None = None) -> bytes:
    """An offer of these m-lines."""
    mids = [line.removeprefix("a=mid:") for section in sections for line in section if line.startswith("a=mid:")]
    group = "BUNDLE " + " ".join(mids) if bundle is None else bundle
    head = ["v=0", "o=- 1 1 IN IP4 0.0.0.0", "s=-", "t=0 0", *([f"a=group:{group}"] if group else [])]
    return ("\r\n".join([*head, *(line for section in sections for line in section)]) + "\r\n").encode()


def status(body: bytes) -> int:
    """How it is refused."""
    with pytest.raises(Problem) as refused:
        read_offer(body)
    assert refused.value.detail
    return refused.value.status


def test_what_is_in_an_offer() -> None:
    offer = read_offer(sdp(audio(), video(), data()))
    assert [section.kind for section in offer.sections] == ["audio", "video", "application"]
    assert [section.mid for section in offer.sections] == ["0", "1", "2"]
    sound, picture = offer.sections[:2]
    assert (sound.sends, sound.receives, sound.codec) == (True, True, "opus")
    assert (picture.sends, picture.receives, picture.codec) == (True, False, "vp8")
    assert (offer.username, offer.password) == ("abcd", "abcdefghijklmnopqrstuv")
    assert not offer.stereo


def test_stereo_is_what_the_sender_says_of_itself() -> None:
    lines = audio()
    lines[-1] += ";stereo=1;sprop-stereo=1"
    assert read_offer(sdp(lines)).stereo
    receives_only = audio()
    receives_only[-1] += ";stereo=1"
    assert not read_offer(sdp(receives_only)).stereo


def test_the_first_codec_that_we_have_is_chosen() -> None:
    unknown = ["a=rtpmap:45 AV1/90000", *H264, *VP8]
    picture = read_offer(sdp(audio(), video(codecs=unknown))).sections[1]
    assert (picture.codec, picture.codecs) == ("h264", ("h264", "vp8"))


def test_one_line_needs_no_bundle() -> None:
    assert len(read_offer(sdp(audio(), bundle="")).sections) == 1


def test_bundled_lines_may_leave_the_transport_out() -> None:
    bare = [line for line in video() if line not in AGENT and line != "a=rtcp-mux"]
    offer = read_offer(sdp(audio(), [*bare, "a=bundle-only"], [line for line in data() if line not in AGENT]
                           + ["a=bundle-only"]))  # fmt: skip
    assert [section.kind for section in offer.sections] == ["audio", "video", "application"]
    assert offer.text.count("a=ice-ufrag:abcd") == 3
    assert status(sdp(audio(), bare)) == 400


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", 400),
        (b"hello", 400),
        (b"v=0\r\n", 400),
        (b"v=0\r\nm=audio\r\n", 400),
        (b"v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 999\r\n", 400),
        (b"\xff\xfev=0", 400),
        (sdp(audio()).replace(b"a=ice-ufrag:abcd\r\n", b""), 400),
        (sdp(audio()).replace(FINGERPRINT.encode() + b"\r\n", b""), 400),
        (sdp(audio()).replace(b"sha-256", b"md5"), 400),
        (sdp(audio()).replace(b"a=setup:actpass", b"a=setup:holdconn"), 400),
        (sdp(audio()).replace(b"a=setup:actpass\r\n", b""), 400),
        (sdp(audio(), audio()), 400),
        (sdp(audio()).replace(b"a=rtcp-mux\r\n", b""), 422),
        (sdp(audio(), data(), bundle=""), 422),
        (sdp(audio(), data(), bundle="BUNDLE 0"), 422),
        (sdp(audio(), data()).replace(b"a=mid:0", b"a=mi"), 422),
        (sdp(audio(), data()).replace(b"a=mid:0", b"a=mid"), 422),
        (sdp(audio()).replace(b"m=audio", b"m=text"), 422),
        (sdp(audio(), [line for line in data() if "sctp-port" not in line]), 422),
        (sdp(audio()).replace(b"opus/48000/2", b"speex/16000"), 406),
        (sdp(audio(), video(codecs=["a=rtpmap:96 AV1/90000"])), 406),
        (sdp(audio()).replace(b"m=audio 9 UDP/TLS/RTP/SAVPF 111", b"m=audio 9 UDP/TLS/RTP/SAVPF 0"), 406),
    ],
)
def test_offers_that_are_refused(body: bytes, expected: int) -> None:
    assert status(body) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"v=0\r\n" + b"a" * SDP_BYTES, 413),
        (b"v=0\r\n" + b"a=x\r\n" * (MOST_LINES + 1), 400),
        (b"v=0\r\na=" + b"x" * 5000, 400),
        (sdp(*(audio(str(index)) for index in range(MOST_SECTIONS + 1))), 400),
        (sdp(audio("0", "sendrecv", *["a=candidate:1 1 udp 1 192.0.2.1 9 typ host"] * (MOST_CANDIDATES + 1))), 400),
    ],
)
def test_hostile_sizes_are_refused_before_they_cost_anything(body: bytes, expected: int) -> None:
    begun_s = time.thread_time()
    assert status(body) == expected
    assert time.thread_time() - begun_s < 1.0


def test_the_largest_offer_that_is_let_through_is_cheap() -> None:
    filler = [f"a=rtpmap:{96 + index % 30} x{index}/1" for index in range(MOST_LINES - 40)]
    begun_s = time.thread_time()
    with pytest.raises(Problem):
        read_offer(sdp([*audio(), *filler]).replace(b"opus", b"none"))
    assert time.thread_time() - begun_s < 2.0


def taken_or_refused(body: bytes) -> Offer | Problem:
    """What became of an offer; anything but a `Problem` comes through."""
    try:
        return read_offer(body)
    except Problem as refused:
        return refused


GOOD = sdp(audio(), video(codecs=[*VP8, *H264]), data())


@settings(max_examples=150)
@given(st.data())
def test_no_damage_gets_through_as_anything_but_a_problem(draw: st.DataObject) -> None:
    lines = GOOD.split(b"\r\n")
    index = draw.draw(st.integers(0, len(lines) - 1))
    match draw.draw(st.sampled_from(["drop", "cut", "twice", "noise", "swap"])):
        case "drop":
            del lines[index]
        case "cut":
            lines[index] = lines[index][: draw.draw(st.integers(0, len(lines[index])))]
        case "twice":
            lines.insert(index, lines[index])
        case "noise":
            lines[index] = lines[index][:2] + draw.draw(st.binary(max_size=20)).replace(b"\n", b"")
        case "swap":
            other = draw.draw(st.integers(0, len(lines) - 1))
            lines[index], lines[other] = lines[other], lines[index]
    read = taken_or_refused(b"\r\n".join(lines))
    if isinstance(read, Problem):
        assert 400 <= read.status < 500
        assert read.detail
        return
    # What got through names every line once, with a codec that we have.
    assert 1 <= len(read.sections) <= MOST_SECTIONS
    assert [section.index for section in read.sections] == list(range(len(read.sections)))
    assert len({section.mid for section in read.sections}) == len(read.sections)
    assert all(section.codec for section in read.sections if section.kind != "application")
