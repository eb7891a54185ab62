"""`engine.programs.base`: every program keeps the same promises."""

from __future__ import annotations

import numpy as np
import pytest

from engine.bundle import Bundle
from engine.frames import Samples, Work
from engine.programs.base import Program
from engine.runtimes.graphs import Graphs
from tests.engine.flow import bundle_in
from tests.engine.streams import noise


@pytest.fixture(params=["mask", "flow_audio"])
def bundle(request: pytest.FixtureRequest, identity: Bundle) -> Bundle:
    if request.param == "mask":
        return identity
    graphs: Graphs = request.getfixturevalue("flow_graphs")
    return bundle_in(graphs)


def answer(program: Program, works: list[Work]) -> list[Samples]:
    """Outputs of the works, each answered once, in whichever part of the step."""
    found = {result.work: result for part in program.step(works) for result in part}
    assert set(found) == set(works)
    return [found[work].outputs for work in works]


def test_what_every_program_promises(bundle: Bundle) -> None:
    program, audio = bundle.program, bundle.spec.audio
    slots = [program.open_slot() for _ in range(3)]
    assert len(set(slots)) == 3
    for slot in slots:
        program.condition(slot, bundle.vocabulary.condition(bundle.vocabulary.read(bundle.vocabulary.example)))
    sound = noise(audio.window, 2)
    works = [
        Work((slots[0], slots[1]), audio.history, sound, 1, (0, 0)),
        Work((slots[2],), audio.history, sound, 1, (0,)),
    ]
    pair, single = answer(program, works)
    assert (pair.shape, single.shape) == ((2, 2, audio.hop), (1, 2, audio.hop))
    # The same sound and the same wish: the same answer, whoever else is in the step, and again after a reset.
    np.testing.assert_allclose(pair[0], single[0], atol=2e-5)
    program.reset(slots[2])
    (again,) = answer(program, [works[1]])
    np.testing.assert_allclose(again, single, atol=2e-5)
    for slot in slots:
        program.close_slot(slot)
    assert program.open_slot() in slots
    assert program.most_hops >= 1
    assert program.spec is bundle.spec
