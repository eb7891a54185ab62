"""What a step is judged by. The mask is a real gain `m`, so every term is a function of `m` and of four arrays that
need no gradient: no inverse transform is in the loop.

With X the mixture, S the target, R = X - S the rest: the estimate is m·X, the residual (1 - m)·X.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from export.models.flat import COMPRESSION

_TINY = 1e-8
QUIET, EARLY = 10, 5
"""Frames without a target that make the next one an onset, and frames for which its beginning lasts."""


@dataclass(frozen=True, slots=True)
class Weights:
    """Weight of each term."""

    spectral: float = 1.0
    si_sdr: float = 0.12
    residual: float = 0.3
    active: float = 0.3
    absent: float = 0.1
    onset: float = 2.0
    """How much more than elsewhere a magnitude that falls short counts in the first frames of a target."""


@dataclass(frozen=True, slots=True)
class Heard:
    """|X|², |S|² and Re(X S*) of mixture X and target S, `[B, T, F]`, each summed over the bins of a band; `scored
    [B, 1, F]` marks the bands that count.

    A gain that is one number a band has exactly the SI-SDR that these sums give; the spectral distance is then one
    between bands.
    """

    own: Tensor
    target: Tensor
    across: Tensor
    scored: Tensor


@dataclass(frozen=True, slots=True)
class Losses:
    """`total` to descend; the others to read (dB where the name says so)."""

    total: Tensor
    spectral: Tensor
    si_sdr_db: Tensor
    active: Tensor
    absent_db: Tensor


def judge(mask_logits: Tensor, active_logits: Tensor, heard: Heard, active: Tensor, weights: Weights) -> Losses:
    """Losses of `mask_logits [B, T, F]`, `active_logits [B, T]`, the truth being `heard` and `active [B, T]`.

    Everything is relative to each mixture's own power, so a quiet recording weighs as much as a loud one.
    """
    to_target, to_rest = _relations(heard)
    present = active.amax(1) > 0
    log_mask, log_residual = functional.logsigmoid(mask_logits), functional.logsigmoid(-mask_logits)
    begins = weights.onset * _first_frames(heard.target)
    spectral = _compressed_distance(log_mask, to_target, begins) + weights.residual * _compressed_distance(
        log_residual, to_rest
    )
    mask = log_mask.exp()
    gain_db, rest_db = _si_sdr_db(mask, to_target), _si_sdr_db(1 - mask, to_rest)
    # Where nothing is to be taken away a decibel counts for nothing: perfect pass-through would earn 30 of them and
    # teach a concept that often sounds alone (speech) to let everything through.
    mixed = present & (to_rest.energy > 3e-3 * to_rest.own.sum((1, 2)))
    left_db = _left_db(mask, to_target.own)
    activity = functional.binary_cross_entropy_with_logits(active_logits, active)
    si_sdr = _mean_where(gain_db, mixed)
    total = (
        weights.spectral * spectral.mean()
        - weights.si_sdr * (si_sdr + weights.residual * _mean_where(rest_db, mixed)) * mixed.float().mean()
        + weights.absent * _mean_where(left_db, ~present) * (~present).float().mean()
        + weights.active * activity
    )
    return Losses(total, spectral.mean(), si_sdr, activity, _mean_where(left_db, ~present))


@dataclass(frozen=True, slots=True)
class _Relation:
    """How the mixture X stands to a wanted W, all `[B, T, F]` without gradient: |X|², Re(X W*), |X|^0.3, |W|^0.3 and
    the cosine of the angle between them; `energy [B]` is the sum of |W|²."""

    own: Tensor
    across: Tensor
    compressed_own: Tensor
    compressed: Tensor
    cosine: Tensor
    energy: Tensor


@torch.no_grad()
def _relations(heard: Heard) -> tuple[_Relation, _Relation]:
    """Relations to the target and to the rest, the mixture's mean power brought to 1."""
    own = heard.own * heard.scored
    scale = heard.scored / (own.mean((1, 2), keepdim=True) + 1e-12)
    own = own * scale
    target_power, across = heard.target * scale, heard.across * scale
    rest_power = (own + target_power - 2 * across).clamp_min(0)
    compressed_own = _compress(own)
    return (
        _relation(own, compressed_own, across, target_power),
        _relation(own, compressed_own, own - across, rest_power),
    )


def _relation(own: Tensor, compressed_own: Tensor, across: Tensor, power: Tensor) -> _Relation:
    cosine = across * torch.rsqrt(own * power + _TINY**2)
    return _Relation(own, across, compressed_own, _compress(power), cosine, power.sum((1, 2)) + _TINY)


def _compress(power: Tensor) -> Tensor:
    return torch.exp(0.5 * COMPRESSION * torch.log(power + _TINY**2))


def _mean_where(values: Tensor, chosen: Tensor) -> Tensor:
    picked = chosen.float()
    return (values * picked).sum() / picked.sum().clamp_min(1.0)


@torch.no_grad()
def _first_frames(target: Tensor) -> Tensor:
    """`[B, T, 1]`: 1 in the `EARLY` frames from each onset of powers `[B, T, F]` on, 0 elsewhere. An onset is within
    20 dB of the loudest frame, after `QUIET` frames that are not.
    """
    level = target.sum(2)
    loud = ((level > 1e-2 * level.amax(1, keepdim=True)) & (level > _TINY)).float()[:, None]
    before = functional.max_pool1d(functional.pad(loud, (QUIET, -1)), QUIET, 1)
    begun = loud * (1 - before)
    return functional.max_pool1d(functional.pad(begun, (EARLY - 1, 0)), EARLY, 1)[:, 0, :, None]


def _compressed_distance(log_gain: Tensor, to: _Relation, begins: Tensor | None = None) -> Tensor:
    """`[B]`: L1 between compressed magnitudes plus L2 between compressed complex spectra, mean over frames and bins.

    `begins [B, T, 1]` is how much more an estimate that falls short counts in a frame: an onset that is cut is heard,
    one hop of something else is not (asymmetric as in Wang et al. 2020, VoiceFilter-Lite, eq. 2, but at onsets alone).

    Compressed: |Z|^0.3 with Z's phase. The estimate has the mixture's phase, so the complex distance needs only the
    cosine between mixture and wanted: |a - b e^iφ|² = (a - b)² + 2 a b (1 - cos φ).
    """
    estimate = torch.exp(COMPRESSION * log_gain) * to.compressed_own
    apart = estimate - to.compressed
    distance = apart.abs() + 0.5 * apart.square() + estimate * (to.compressed * (1 - to.cosine))
    if begins is not None:
        distance = distance + begins * (-apart).clamp_min(0)
    return distance.mean((1, 2))


def _si_sdr_db(gain: Tensor, to: _Relation) -> Tensor:
    """`[B]` SI-SDR (Le Roux et al. 2019) taken on the spectra, bending towards 20 dB (the soft threshold of MixIT,
    Wisdom et al. 2020, eq. 4) and cut off at -30.

    The windows are a tight frame, so inner products with a true spectrum equal those of the samples; the estimate's
    own energy is bounded from above, so this is never better than what the samples give.
    """
    inner = (gain * to.across).sum((1, 2))
    estimate = (gain.square() * to.own).sum((1, 2))
    wanted_part = inner.square() / to.energy
    error = (estimate - wanted_part).clamp_min(0) + 0.01 * wanted_part + _TINY
    db: Tensor = 10 * torch.log10((wanted_part + _TINY) / error)
    return db.clamp_min(-30)


def _left_db(gain: Tensor, own: Tensor) -> Tensor:
    """`[B]` 10 log10(|estimate|² / |mixture|² + 1e-2): what an absent target leaves over, down to -20 dB.

    The floor is the note's: with 1e-3 the network went down to -35 dB and denied targets that were there.
    """
    left = (gain.square() * own).sum((1, 2)) / (own.sum((1, 2)) + _TINY)
    db: Tensor = 10 * torch.log10(left + 1e-2)
    return db
