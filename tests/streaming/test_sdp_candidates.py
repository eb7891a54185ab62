"""Candidates: which can be used at once, and which are names that somebody has to be asked for."""

from __future__ import annotations

import pytest

from streaming.sdp_candidates import read_candidate, set_aside

ADDRESS = "a=candidate:1 1 udp 2122260223 192.0.2.1 61764 typ host"
NAME = "a=candidate:2 1 UDP 2122187007 de3b6314.LOCAL 44748 typ host"


def test_names_are_set_aside_and_the_end_is_not_told() -> None:
    lines = ["v=0", "m=audio 9 UDP/TLS/RTP/SAVPF 111", ADDRESS, NAME, "a=end-of-candidates", "a=mid:0"]
    text, named = set_aside("\r\n".join(lines))
    assert text.split("\r\n") == ["v=0", "m=audio 9 UDP/TLS/RTP/SAVPF 111", ADDRESS, "a=mid:0", ""]
    assert [(one.ip, one.port) for one in named] == [("de3b6314.LOCAL", 44748)]


@pytest.mark.parametrize(
    "line",
    [
        "a=candidate:2 1 TCP 2105458943 de3b6314.local 9 typ host tcptype active",
        "a=candidate:2 2 UDP 2122187006 de3b6314.local 54023 typ host",
        "a=candidate:2 1 UDP x de3b6314.local 54023 typ host",
    ],
)
def test_names_of_no_use_are_dropped(line: str) -> None:
    assert set_aside(f"v=0\r\n{line}\r\n") == ("v=0\r\n", [])


def test_what_is_cut_short_is_left_to_the_parser() -> None:
    assert set_aside("v=0\r\na=candidate:1 1\r\n") == ("v=0\r\na=candidate:1 1\r\n", [])


@pytest.mark.parametrize("value", ["", "1 1 udp 1 no.such.name 9 typ host", "1 1 udp 1 192.0.2.1 0 typ host"])
def test_what_cannot_be_used_is_nothing(value: str) -> None:
    assert read_candidate(value) is None
