"""Encoding together is encoding one by one."""

from __future__ import annotations

import numpy as np
import pytest

from streaming.encoding import encode_together
from streaming.media import encode_pcm


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("loud", [0.3, 1.5])
def test_the_same_bytes_and_the_same_clipping(channels: int, loud: float) -> None:
    random = np.random.default_rng(1)
    pieces = [random.uniform(-0.3, 0.3, (channels, count)).astype(np.float32) for count in (480, 0, 7, 960)]
    pieces[2] *= loud / 0.3
    assert encode_together(pieces) == [encode_pcm(piece, "pcm_s16le") for piece in pieces]


def test_nothing_and_one() -> None:
    assert encode_together([]) == []
    assert encode_together([np.zeros((1, 3), np.float32)]) == [(bytes(6), 0)]
