from __future__ import annotations

import pytest
import torch

from export.models.linear import LinearConfig
from export.models.queried import CONFIGS, QueriedSeparator, core_name


def test_a_union_is_the_sum_of_its_concepts(model: QueriedSeparator) -> None:
    power, hint, state = torch.rand(1, 5, 480), torch.zeros(1, 5, 2), model.initial_state(1)
    asked = torch.zeros(1, len(model.concepts))
    asked[0, [0, 3]] = 1
    query = (model.vectors[0] + model.vectors[3])[None]
    torch.testing.assert_close(model(power, asked, hint, state)[0], model.core(power, query, hint, state)[0])


@pytest.mark.parametrize("name", CONFIGS)
def test_every_core_answers_many_questions(name: str) -> None:
    model = QueriedSeparator(["a", "b"], CONFIGS[name]())
    bands = 160 if model.banded else 480
    logits, active, state = model.answer(torch.rand(2, 3, bands), torch.eye(2).repeat(2, 1), torch.zeros(4, 3, 2),
                                         model.initial_state(4))  # fmt: skip
    assert logits.shape == (4, 3, bands)
    assert active.shape == (4, 3)
    assert state.shape == model.initial_state(4).shape
    assert core_name(model.core.config) == name


def test_the_default_is_the_linear_core() -> None:
    assert QueriedSeparator(["a"]).core.config == LinearConfig()
