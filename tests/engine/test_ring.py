"""`engine.ring`: what was pushed is what is read, wherever it lies."""

from __future__ import annotations

import numpy as np
import pytest

from engine.errors import EngineFault
from engine.ring import RingBuffer
from tests.engine.streams import noise


@pytest.mark.parametrize("step", [1, 7, 480, 1999])
def test_reads_any_recent_stretch(step: int) -> None:
    sound = noise(20_000, 2)
    ring = RingBuffer(2, 1000)
    for start in range(0, 20_000, step):
        ring.push(sound[:, start : start + step])
        ring.needed = ring.end
        begin = max(ring.end - 1000, 0)
        np.testing.assert_array_equal(ring.read(begin, ring.end), sound[:, begin : ring.end])


def test_keeps_what_is_needed_beyond_its_capacity() -> None:
    ring = RingBuffer(1, 100)
    sound = noise(5000)
    for start in range(0, 5000, 50):
        ring.push(sound[:, start : start + 50])
    np.testing.assert_array_equal(ring.read(0, 5000), sound)


def test_refuses_what_it_does_not_hold() -> None:
    ring = RingBuffer(1, 100, start=-10)
    ring.push(noise(20))
    with pytest.raises(EngineFault, match=r"holds \[-10, 10\)"):
        ring.read(0, 11)
    with pytest.raises(EngineFault):
        ring.read(-11, 0)
