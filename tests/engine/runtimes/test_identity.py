"""`engine.runtimes.identity`: mask one, always active."""

from __future__ import annotations

import numpy as np

from engine.runtimes.identity import IdentityRuntime


def test_keeps_everything() -> None:
    runtime = IdentityRuntime()
    spectrum = np.random.default_rng(0).standard_normal((3, 2, 5, 2)).astype(np.float32)
    mask, active = runtime.separate(np.arange(3), spectrum, np.zeros((3, 4), np.float32), np.zeros((3, 2), np.float32))
    np.testing.assert_array_equal(mask, np.ones((3, 2, 5)))
    np.testing.assert_array_equal(active, np.ones((3, 2)))
    runtime.reset([0])
    runtime.restore(0, runtime.snapshot(0))
    runtime.warm((1,), (1,))
