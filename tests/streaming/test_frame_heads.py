"""Frame headers, against RFC 6455 and against the library's own."""

from __future__ import annotations

import pytest
from websockets.frames import Frame, Opcode

from streaming import frame_heads
from streaming.frame_heads import WHOLE_BINARY, WHOLE_TEXT, binary_head, frame_head


@pytest.mark.parametrize(
    ("size", "head"),
    [(0, "8200"), (125, "827d"), (126, "827e007e"), (65535, "827effff"), (65536, "827f0000000000010000")],
)
def test_frame_headers(size: int, head: str) -> None:
    assert frame_head(WHOLE_BINARY, size).hex() == head


@pytest.mark.parametrize("size", [0, 1, 125, 126, 480, 65535, 65536])
def test_a_whole_message_is_what_the_library_would_send(size: int) -> None:
    payload = bytes(size)
    assert binary_head(size) + payload == Frame(Opcode.BINARY, payload).serialize(mask=False)
    assert frame_head(WHOLE_TEXT, size) + payload == Frame(Opcode.TEXT, payload).serialize(mask=False)


def test_headers_are_made_once_and_not_kept_without_bound() -> None:
    assert binary_head(960) is binary_head(960)
    for size in range(2 * frame_heads._MOST_KEPT):
        assert binary_head(size) == frame_head(WHOLE_BINARY, size)
    assert len(frame_heads._HEADS) <= frame_heads._MOST_KEPT
