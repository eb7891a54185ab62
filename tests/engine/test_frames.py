"""`engine.frames`: records that are looked up by identity must be hashable by it."""

from __future__ import annotations

import numpy as np

from engine.frames import Work


def test_works_are_keys_of_their_own() -> None:
    window = np.zeros((1, 4), np.float32)
    first, second = Work((0,), 0, window, 1, (0,)), Work((0,), 0, window, 1, (0,))
    assert first != second
    assert {first: 1, second: 2}[first] == 1
