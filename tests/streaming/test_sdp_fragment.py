"""Trickled fragments: what is understood, what is skipped in silence, what is refused."""

from __future__ import annotations

import pytest

from streaming.problem import Problem
from streaming.sdp_fragment import read_fragment
from streaming.sdp_offer import MOST_CANDIDATES

AGENT = "a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n"
HOST = "a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag EsAw network-id 1\r\n"
MDNS = "a=candidate:1 1 udp 2122260223 5d1a3d9c.local 61764 typ host\r\n"


def test_candidates_with_their_line() -> None:
    found = read_fragment((AGENT + "m=audio 9 RTP/AVP 0\r\na=mid:0\r\n" + HOST + MDNS).encode())
    assert (found.username, found.password) == ("EsAw", "P2uYro0UCOQ4zxjKXaWCBui1")
    assert [(one.ip, one.port, one.sdpMid) for one in found.candidates] == [
        ("192.0.2.1", 61764, "0"), ("5d1a3d9c.local", 61764, "0"),
    ]  # fmt: skip
    assert read_fragment((AGENT + "a=end-of-candidates\r\n").encode()).candidates == ()


@pytest.mark.parametrize(
    "line",
    [
        "a=candidate:1 1 tcp 1518280447 192.0.2.1 9 typ host tcptype active",
        "a=candidate:1 1 udp 1 no.such.name 9 typ host",
        "a=candidate:1 1 udp 1 192.0.2.1 99999 typ host",
        "a=candidate:1 1 udp 1 192.0.2.1 0 typ host",
        "a=candidate:1 1 udp x 192.0.2.1 9 typ host",
        "a=candidate:1 1 udp 1 192.0.2.1 9 typ moon",
        "a=candidate:",
        "b=AS:1",
    ],
)
def test_what_cannot_be_used_is_skipped(line: str) -> None:
    assert read_fragment((AGENT + line + "\r\n" + HOST).encode()).candidates[0].ip == "192.0.2.1"


def test_more_candidates_than_anybody_has_are_cut() -> None:
    assert len(read_fragment((AGENT + HOST * 500).encode()).candidates) == MOST_CANDIDATES


@pytest.mark.parametrize(
    "body", [b"", b"hello", HOST.encode(), b"\xff\xff", b"a=" + b"x" * 5000, (AGENT * 1500).encode()]
)
def test_what_is_no_fragment_is_refused(body: bytes) -> None:
    with pytest.raises(Problem) as refused:
        read_fragment(body)
    assert refused.value.status == 400
