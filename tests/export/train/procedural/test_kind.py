from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from export.train.procedural.kind import Kind


def test_a_kind_is_frozen_and_makes_two_dozen_clips() -> None:
    kind = Kind("bell", "silent", lambda rng: np.zeros(10))
    assert kind.clips == 24
    with pytest.raises(dataclasses.FrozenInstanceError):
        kind.clips = 3  # type: ignore[misc]
