from __future__ import annotations

import pytest
import torch

from engine.errors import BadInput
from export.models.flat import FlatConfig
from export.models.linear import LinearConfig
from export.models.queried import CONFIGS, QueriedSeparator, as_options, config_of, core_name
from tests.export.conftest import noise


def test_a_union_is_the_sum_of_its_concepts(model: QueriedSeparator) -> None:
    heard, hint, state = noise(1, 5), torch.zeros(1, 5, 2), model.initial_state(1)
    asked = torch.zeros(1, len(model.concepts))
    asked[0, [0, 3]] = 1
    query = (model.vectors[0] + model.vectors[3])[None]
    torch.testing.assert_close(model(heard, asked, hint, state)[0], model.core(heard, query, hint, state)[0])


@pytest.mark.parametrize("name", CONFIGS)
def test_every_core_answers_many_questions(name: str) -> None:
    model = QueriedSeparator(["a", "b"], CONFIGS[name]())
    bands = 160 if model.banded else 480
    power, advance = torch.rand(2, 3, bands), torch.rand(2, 3, 2 * model.phase_bins)
    logits, active, state = model.answer(power, advance, torch.eye(2).repeat(2, 1), torch.zeros(4, 3, 2),
                                         model.initial_state(4))  # fmt: skip
    assert logits.shape == (4, 3, bands)
    assert active.shape == (4, 3)
    assert state.shape == model.initial_state(4).shape
    assert core_name(model.core.config) == name


def test_the_default_is_the_linear_core() -> None:
    assert QueriedSeparator(["a"]).core.config == LinearConfig()


def test_sizes_make_a_configuration_and_are_told_again() -> None:
    assert config_of("linear", {}) == LinearConfig()
    assert config_of("flat", {"hidden": 64, "bins": 480}) == FlatConfig(hidden=64)
    assert as_options(LinearConfig()) == "--core linear"
    assert as_options(FlatConfig(hidden=64)) == """--core flat --sizes '{"hidden": 64}'"""


@pytest.mark.parametrize(
    ("core", "sizes", "told"),
    [
        ("linear", {"widht": 64}, r"--sizes: expected an object with sizes of a linear core \(bins, width, "),
        ("flat", {"width": 64}, r"sizes of a flat core \(bins, hidden, blocks, query\), got \{'width': 64\}"),
        ("linear", [1], r"--sizes: expected an object .*, got \[1\]"),
        ("linear", None, "--sizes: expected an object"),
        ("linear", {"width": "a"}, r"--sizes\.width: expected 1 to 4096, got 'a'"),
        ("linear", {"width": 0}, r"--sizes\.width: expected 1 to 4096, got 0"),
        ("linear", {"width": -3}, r"--sizes\.width"),
        ("linear", {"width": 1e9}, r"--sizes\.width"),
        ("linear", {"blocks": True}, r"--sizes\.blocks"),
        ("linear", {"phase_bins": 97}, r"--sizes\.phase_bins: expected 0 to 96, got 97"),
        ("linear", {"bins": 481}, r"--sizes\.bins: expected 480, got 481"),
        ("linear", {"blocks": 2, "free_blocks": 2}, r"--sizes\.free_blocks: expected fewer than the blocks, 2"),
        ("deep", {}, r"core: expected one of flat, linear, got 'deep'"),
    ],
)
def test_sizes_that_cannot_be_are_refused(core: str, sizes: object, told: str) -> None:
    with pytest.raises(BadInput, match=told):
        config_of(core, sizes, "--sizes")
