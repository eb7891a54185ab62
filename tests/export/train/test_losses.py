from __future__ import annotations

import torch
from torch import Tensor

from export.train.losses import Heard, Losses, Weights, judge


def heard(mixture: Tensor, target: Tensor, scored: Tensor | None = None) -> Heard:
    """What the losses want of complex spectra."""
    across = (mixture * target.conj()).real
    return Heard(mixture.abs() ** 2, target.abs() ** 2, across, torch.ones(2, 1, 480) if scored is None else scored)


def scene(seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Two mixtures of 20 frames whose target fills the lower half of the bins and whose rest the upper half."""
    generator = torch.Generator().manual_seed(seed)
    mixture = torch.randn(2, 20, 480, dtype=torch.complex64, generator=generator)
    target = mixture.clone()
    target[:, :, 240:] = 0
    return mixture, target, torch.ones(2, 20), torch.ones(2, 1, 480)


def oracle(sign: float = 1.0) -> Tensor:
    logits = torch.full((2, 20, 480), -12.0 * sign)
    logits[:, :, :240] = 12.0 * sign
    return logits


def judged(logits: Tensor, factor: float = 1.0, active: float = 1.0) -> Losses:
    mixture, target, sounding, scored = scene()
    truth = heard(mixture * factor, target * factor * active, scored)
    return judge(logits, torch.full((2, 20), 4.0), truth, sounding * active, Weights())


def test_the_right_mask_beats_passing_everything_beats_the_wrong_one() -> None:
    right, all_through, wrong = judged(oracle()), judged(torch.full((2, 20, 480), 12.0)), judged(oracle(-1.0))
    assert right.total < all_through.total < wrong.total
    assert right.si_sdr_db > 19
    assert abs(float(all_through.si_sdr_db)) < 0.5
    assert float(right.spectral) < 2e-2


def test_level_does_not_matter() -> None:
    torch.testing.assert_close(judged(oracle(0.1)).total, judged(oracle(0.1), 1e-3).total, rtol=1e-3, atol=1e-4)


def test_an_absent_target_wants_silence() -> None:
    silent, loud = (judged(torch.full((2, 20, 480), level), active=0.0) for level in (-12.0, 12.0))
    assert float(loud.absent_db) > -0.1
    assert -20.1 < float(silent.absent_db) < -19.9
    assert silent.total < loud.total


def test_sounding_alone_earns_nothing_for_perfect_pass_through() -> None:
    """Else a concept that often sounds alone learns to let everything through (it did)."""
    mixture, _, active, _ = scene()
    logits = torch.full((2, 20, 480), 3.0, requires_grad=True)
    losses = judge(logits, torch.zeros(2, 20), heard(mixture, mixture), active, Weights(spectral=0.0, active=0.0))
    assert float(losses.total.detach()) == 0.0


def test_bins_that_are_not_scored_have_no_gradient() -> None:
    mixture, target, active, scored = scene()
    scored[:, :, 160:] = 0
    logits = torch.zeros(2, 20, 480, requires_grad=True)
    judge(logits, torch.zeros(2, 20), heard(mixture, target, scored), active, Weights()).total.backward()
    assert logits.grad is not None
    assert float(logits.grad[:, :, 160:].abs().max()) < 1e-6
    assert float(logits.grad[:, :, :160].abs().max()) > 1e-6


def test_silence_is_survived() -> None:
    zero = torch.zeros(2, 20, 480, dtype=torch.complex64)
    logits = torch.zeros(2, 20, 480, requires_grad=True)
    losses = judge(logits, torch.zeros(2, 20), heard(zero, zero), torch.zeros(2, 20), Weights())
    losses.total.backward()
    assert torch.isfinite(losses.total)
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()
