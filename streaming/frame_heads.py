"""Headers of the WebSocket frames that a server sends (RFC 6455, section 5.2): whole messages, not masked."""

from __future__ import annotations

import struct

WHOLE_BINARY, WHOLE_TEXT = 0x82, 0x81
"""First byte of a binary and of a text message in one frame (FIN, and the opcode)."""

_MOST_KEPT = 1024


def frame_head(first: int, size: int) -> bytes:
    """Header of one frame.

    Args:
        first: its first byte.
        size: of the payload, in bytes.
    """
    if size < 126:
        return struct.pack("!BB", first, size)
    if size < 1 << 16:
        return struct.pack("!BBH", first, 126, size)
    return struct.pack("!BBQ", first, 127, size)


_HEADS: dict[int, bytes] = {}


def binary_head(size: int) -> bytes:
    """Header of one binary message. Hops have a handful of lengths: their headers are made once."""
    head = _HEADS.get(size)
    if head is None:
        head = frame_head(WHOLE_BINARY, size)
        if len(_HEADS) < _MOST_KEPT:
            _HEADS[size] = head
    return head
