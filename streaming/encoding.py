"""The pieces of one tick, of all sessions, to PCM at once: six numpy calls a tick instead of six a piece."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.frames import Samples
from streaming.media import BYTES_PER_SAMPLE, encode_pcm

Encoded = tuple[bytes, int]
"""Interleaved PCM, and how many values were clipped."""


def encode_together(pieces: Sequence[Samples]) -> list[Encoded]:
    """Each of `pieces`, `(channels, n)` float32 with the same channels, as `pcm_s16le`.

    The same bytes as `encode_pcm` gives for each alone.
    """
    if len(pieces) < 2:
        return [encode_pcm(piece, "pcm_s16le") for piece in pieces]
    data, clipped = encode_pcm(np.concatenate(pieces, axis=1), "pcm_s16le")
    if clipped:
        # Somebody is too loud: go one by one, to know who.
        return [encode_pcm(piece, "pcm_s16le") for piece in pieces]
    frame_bytes = BYTES_PER_SAMPLE["pcm_s16le"] * pieces[0].shape[0]
    found: list[Encoded] = []
    at = 0
    for piece in pieces:
        end = at + piece.shape[1] * frame_bytes
        found.append((data[at:end], 0))
        at = end
    return found
