"""`streaming.rehearsal`: ticks of real sessions, and no trace of them."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from engine.bundle import load_bundle
from engine.errors import EngineFault
from engine.frames import Vector
from engine.programs.mask import MaskProgram
from engine.runtimes.identity import IdentityRuntime
from streaming.rehearsal import SIZES, rehearse


def test_measures_each_size_and_gives_every_slot_back() -> None:
    bundle = load_bundle("identity")
    free = [bundle.program.open_slot() for _ in range(2)]
    for slot in free:
        bundle.program.close_slot(slot)
    ticks = rehearse(bundle, time.perf_counter)
    assert [hops for hops, _ in ticks] == list(SIZES)
    assert all(took_s > 0 for _, took_s in ticks)
    assert {bundle.program.open_slot() for _ in range(2)} <= set(range(max(SIZES)))


def test_a_small_program_is_not_overfilled() -> None:
    bundle = load_bundle("identity")
    small = replace(bundle, program=MaskProgram(bundle.spec, IdentityRuntime(), time.perf_counter, most_slots=4))
    assert [hops for hops, _ in rehearse(small, time.perf_counter)] == [1, 4]


def test_a_model_that_fails_is_found_before_the_first_client() -> None:
    bundle = load_bundle("identity")

    def broken(slots: Vector, *_: Vector) -> tuple[Vector, Vector]:
        raise RuntimeError(f"no kernel for {np.size(slots)} slots")

    bundle.masking.runtime.separate = broken  # type: ignore[method-assign, assignment]
    with pytest.raises(EngineFault, match="no kernel for 1 slots"):
        rehearse(bundle, time.perf_counter)
