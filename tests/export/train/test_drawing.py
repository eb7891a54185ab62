from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future

import pytest

from export.train.concepts import vocabulary
from export.train.drawing import AHEAD, Drawing, DrawingAhead
from export.train.examples import Example, ExampleMaker
from export.train.scenes import SceneMaker
from tests.export.conftest import tiny_recordings


@pytest.fixture
def drawing(scenes: SceneMaker) -> Drawing:
    return Drawing(ExampleMaker(scenes, vocabulary(tiny_recordings()), 2), size=3, seed=5)


def what(examples: list[Example]) -> list[tuple[object, ...]]:
    return [(one.sources, one.asked, one.hints, one.seed, one.gains.tolist()) for one in examples]


def test_a_batch_depends_on_its_number_alone(drawing: Drawing) -> None:
    first, other, again = (what(drawing.draw(number)) for number in (4, 5, 4))
    assert first == again != other
    assert len(first) == 3


@pytest.mark.parametrize("processes", [0, 2])
def test_other_processes_draw_the_same(drawing: Drawing, processes: int) -> None:
    with DrawingAhead(drawing, processes) as ahead:
        for number in (20, 4, 21, 5, 22 + 2 * AHEAD, 3):
            assert what(ahead.draw(number)) == what(drawing.draw(number))


def test_a_fault_in_another_process_comes_here(drawing: Drawing) -> None:
    with DrawingAhead(drawing, 1) as ahead, pytest.raises(ValueError, match="non-negative"):
        ahead.draw(-1)


def test_after_a_resume_old_batches_cost_no_others(drawing: Drawing, monkeypatch: pytest.MonkeyPatch) -> None:
    """`Twice` then asks for a new one and one of 16 batches before in turn."""
    begun: list[int] = []
    with DrawingAhead(drawing, 1) as ahead:
        assert ahead._pool is not None
        submit = ahead._pool.submit

        def noted(work: Callable[[int], list[Example]], number: int) -> Future[list[Example]]:
            begun.append(number)
            return submit(work, number)

        monkeypatch.setattr(ahead._pool, "submit", noted)
        for newest in range(100, 108):
            ahead.draw(newest)
            ahead.draw(newest - 16)
    assert begun == list(range(100, 108 + AHEAD))
