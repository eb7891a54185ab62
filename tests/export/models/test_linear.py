from __future__ import annotations

import torch
from torch import Tensor

from export.models.bands import BANDS, band_power
from export.models.linear import LinearCore
from export.models.queried import QueriedSeparator


def heard(model: QueriedSeparator, power: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """The answer to the second concept."""
    asked = torch.zeros(len(power), len(model.concepts))
    asked[:, 1] = 1
    hint = torch.zeros(len(power), power.shape[1], 2)
    state = model.initial_state(len(power)) if state is None else state
    out: tuple[Tensor, Tensor, Tensor] = model(power, asked, hint, state)
    return out


def test_shapes_and_silence(model: QueriedSeparator) -> None:
    logits, active, state = heard(model, torch.zeros(3, 7, 480))
    assert logits.shape == (3, 7, 480)
    assert active.shape == (3, 7)
    assert state.shape == (4, 3, 192)
    assert all(bool(torch.isfinite(x).all()) for x in (logits, active, state))


def test_the_future_changes_nothing(model: QueriedSeparator) -> None:
    power = torch.rand(1, 10, 480)
    changed = power.clone()
    changed[:, 6:] = 5.0
    torch.testing.assert_close(heard(model, power)[0][:, :6], heard(model, changed)[0][:, :6])


def test_in_two_calls_as_in_one(model: QueriedSeparator) -> None:
    power = torch.rand(2, 9, 480)
    first, _, state = heard(model, power[:, :4])
    second, _, _ = heard(model, power[:, 4:], state)
    torch.testing.assert_close(torch.cat([first, second], 1), heard(model, power)[0], rtol=1e-4, atol=1e-5)


def test_level_does_not_matter(model: QueriedSeparator) -> None:
    power = torch.rand(1, 9, 480) + 0.1
    torch.testing.assert_close(heard(model, power)[0], heard(model, power * 1e-4)[0], rtol=1e-3, atol=1e-3)


def test_many_questions_at_once_are_the_single_ones(model: QueriedSeparator) -> None:
    """What is not asked is heard once and shared; it must not be mixed up between mixtures."""
    power, hint = torch.rand(2, 5, 480), torch.zeros(4, 5, 2)
    asked = torch.eye(len(model.concepts))[:4]
    state = model.initial_state(4)
    with torch.no_grad():
        together = model.answer(band_power(power), asked, hint, state)
        for row in range(4):
            mixture = power[row // 2 : row // 2 + 1]
            alone = model.answer(band_power(mixture), asked[row : row + 1], hint[:1], state[:, :1])
            torch.testing.assert_close(together[0][row : row + 1], alone[0], rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(together[2][:, row : row + 1], alone[2], rtol=1e-4, atol=1e-5)


def test_a_union_of_many_speaks_as_loud_as_one_word(model: QueriedSeparator) -> None:
    power, hint, state = torch.rand(1, 5, 480), torch.zeros(1, 5, 2), model.initial_state(1)
    query = model.vectors[:1]
    torch.testing.assert_close(model.core(power, query, hint, state)[0], model.core(power, 9 * query, hint, state)[0])


def test_what_is_steady_becomes_a_constant(model: QueriedSeparator) -> None:
    assert isinstance(model.core, LinearCore)
    power = torch.rand(1, 1, BANDS).expand(50, 1, BANDS)
    features, level, _ = model.core.features(power, model.initial_state(1)[-2:])
    now, before, slow = features.chunk(3, -1)
    torch.testing.assert_close(now[1:], before[1:])
    torch.testing.assert_close(now, slow, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(level, torch.zeros_like(level), atol=1e-5, rtol=0)
