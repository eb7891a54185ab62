from __future__ import annotations

import torch
from torch import Tensor

from export.models import phase
from export.models.bands import BANDS, band_power, to_bins
from export.models.linear import LinearCore
from export.models.queried import QueriedSeparator
from tests.export.conftest import noise


def heard(model: QueriedSeparator, spectrum: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """The answer to the second concept."""
    asked = torch.zeros(len(spectrum), len(model.concepts))
    asked[:, 1] = 1
    hint = torch.zeros(len(spectrum), spectrum.shape[1], 2)
    state = model.initial_state(len(spectrum)) if state is None else state
    out: tuple[Tensor, Tensor, Tensor] = model(spectrum, asked, hint, state)
    return out


def heard_by_parts(spectrum: Tensor) -> tuple[Tensor, Tensor]:
    """Powers of bands and advances of phases `[B, T, …]`, after silence."""
    low = torch.cat([torch.zeros_like(spectrum[:, :1]), spectrum], 1)[..., : phase.MOST]
    return band_power(spectrum.abs().square()), phase.advance(low.transpose(0, 1)).transpose(0, 1)


def test_shapes_and_silence(model: QueriedSeparator) -> None:
    logits, active, state = heard(model, torch.zeros(3, 7, 480, dtype=torch.complex64))
    assert logits.shape == (3, 7, 480)
    assert active.shape == (3, 7)
    assert state.shape == (5, 3, 192)
    assert all(bool(torch.isfinite(x).all()) for x in (logits, active, state))


def test_the_future_changes_nothing(model: QueriedSeparator) -> None:
    spectrum = noise(1, 10)
    changed = spectrum.clone()
    changed[:, 6:] = 5.0
    torch.testing.assert_close(heard(model, spectrum)[0][:, :6], heard(model, changed)[0][:, :6])


def test_in_two_calls_as_in_one(model: QueriedSeparator) -> None:
    spectrum = noise(2, 9)
    first, _, state = heard(model, spectrum[:, :4])
    second, _, _ = heard(model, spectrum[:, 4:], state)
    torch.testing.assert_close(torch.cat([first, second], 1), heard(model, spectrum)[0], rtol=1e-4, atol=1e-5)


def test_level_does_not_matter(model: QueriedSeparator) -> None:
    spectrum = noise(1, 9)
    torch.testing.assert_close(heard(model, spectrum)[0], heard(model, spectrum * 1e-2)[0], rtol=1e-3, atol=1e-3)


def test_phases_are_heard(model: QueriedSeparator) -> None:
    """Two streams of the same magnitudes, a tone's phases and random ones, are told apart."""
    steady = torch.ones(1, 9, 480) * torch.pow(-1.0, torch.arange(480)) ** torch.arange(9)[:, None]
    turned = torch.polar(torch.ones(1, 9, 480), torch.rand(1, 9, 480) * 6.28)
    assert not torch.allclose(heard(model, steady.to(torch.complex64))[0], heard(model, turned)[0], atol=1e-3)


def test_many_questions_at_once_are_the_single_ones(model: QueriedSeparator) -> None:
    """What is not asked is heard once and shared; it must not be mixed up between mixtures."""
    spectrum, hint = noise(2, 5), torch.zeros(4, 5, 2)
    asked = torch.eye(len(model.concepts))[:4]
    state = model.initial_state(4)
    with torch.no_grad():
        together = model.answer(*heard_by_parts(spectrum), asked, hint, state)
        for row in range(4):
            mixture = heard_by_parts(spectrum[row // 2 : row // 2 + 1])
            alone = model.answer(*mixture, asked[row : row + 1], hint[:1], state[:, :1])
            torch.testing.assert_close(together[0][row : row + 1], alone[0], rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(together[2][:, row : row + 1], alone[2], rtol=1e-4, atol=1e-5)


def test_parts_are_heard_as_the_spectrum_is(model: QueriedSeparator) -> None:
    """What training hears is what a stream hears."""
    spectrum, asked, hint = noise(2, 5), torch.eye(len(model.concepts))[:2], torch.zeros(2, 5, 2)
    with torch.no_grad():
        parts = model.answer(*heard_by_parts(spectrum), asked, hint, model.initial_state(2))
        whole = model(spectrum, asked, hint, model.initial_state(2))
    torch.testing.assert_close(to_bins(parts[0]), whole[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(parts[1], whole[1], rtol=1e-4, atol=1e-5)


def test_a_union_of_many_speaks_as_loud_as_one_word(model: QueriedSeparator) -> None:
    spectrum, hint, state = noise(1, 5), torch.zeros(1, 5, 2), model.initial_state(1)
    query = model.vectors[:1]
    one, nine = (model.core(spectrum, factor * query, hint, state)[0] for factor in (1, 9))
    torch.testing.assert_close(one, nine)


def test_what_is_steady_becomes_a_constant(model: QueriedSeparator) -> None:
    assert isinstance(model.core, LinearCore)
    power, advance = torch.rand(1, 1, BANDS).expand(50, 1, BANDS), torch.ones(50, 1, 2 * phase.MOST)
    features, level, _ = model.core.features(power, advance, model.initial_state(1)[:2])
    now, before, slow, cosines, _ = features.split([BANDS] * 3 + [phase.MOST] * 2, -1)
    torch.testing.assert_close(cosines, now[..., : phase.MOST] + 1)
    torch.testing.assert_close(now[1:], before[1:])
    torch.testing.assert_close(now, slow, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(level, torch.zeros_like(level), atol=1e-5, rtol=0)
