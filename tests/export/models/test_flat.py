from __future__ import annotations

import torch

from export.models.flat import FlatConfig, FlatCore, compress
from export.models.queried import QueriedSeparator
from tests.export.conftest import noise


def test_compression_is_a_power_of_the_magnitude() -> None:
    magnitude = torch.tensor([1e-3, 0.5, 20.0])
    torch.testing.assert_close(compress(magnitude.square()), magnitude**0.3, rtol=1e-4, atol=1e-6)


def test_silence_is_finite(flat_model: QueriedSeparator) -> None:
    asked = torch.ones(1, len(flat_model.concepts))
    outputs = flat_model(
        torch.zeros(1, 4, 480, dtype=torch.complex64), asked, torch.zeros(1, 4, 2), flat_model.initial_state(1)
    )
    assert all(bool(torch.isfinite(output).all()) for output in outputs)


def test_shapes(flat_model: QueriedSeparator) -> None:
    asked = torch.ones(3, len(flat_model.concepts))
    mask, active, state = flat_model(noise(3, 7), asked, torch.zeros(3, 7, 2), flat_model.initial_state(3))
    assert mask.shape == (3, 7, 480)
    assert active.shape == (3, 7)
    assert state.shape == (2, 3, 32)


def test_the_shape_of_a_spectrum_does_not_depend_on_its_level() -> None:
    core = FlatCore(FlatConfig(hidden=16, query=8))
    with torch.no_grad():
        core.level_in.weight.zero_()
        power = torch.rand(1, 5, 480) + 0.1
        torch.testing.assert_close(core.features(power), core.features(power * 1e-4), rtol=1e-3, atol=1e-4)


def test_a_union_is_the_sum_of_its_concepts(flat_model: QueriedSeparator) -> None:
    heard, hint, state = noise(1, 5), torch.zeros(1, 5, 2), flat_model.initial_state(1)
    asked = torch.zeros(1, len(flat_model.concepts))
    asked[0, [0, 3]] = 1
    query = (flat_model.vectors[0] + flat_model.vectors[3])[None]
    torch.testing.assert_close(flat_model(heard, asked, hint, state)[0], flat_model.core(heard, query, hint, state)[0])


def test_the_future_changes_nothing(flat_model: QueriedSeparator) -> None:
    heard = noise(1, 10)
    changed = heard.clone()
    changed[:, 6:] = 5.0
    asked, hint, state = torch.ones(1, len(flat_model.concepts)), torch.zeros(1, 10, 2), flat_model.initial_state(1)
    one, other = (flat_model(p, asked, hint, state)[0][:, :6] for p in (heard, changed))
    torch.testing.assert_close(one, other)
