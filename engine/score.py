"""How good a separation is, as numbers that every report shares: one home for each formula."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.frames import Samples

_TINY = 1e-12
"""Keeps the ratio finite where an estimate is exact or silent: such scores end near ±120 dB."""


def si_sdr_db(estimate: Samples, target: Samples) -> float:
    """Scale-invariant signal-to-distortion ratio in dB of arrays of one shape, all channels together.

    Le Roux et al., "SDR: half-baked or well done?" (2019), equation 2; means are not removed.

    Raises:
        ValueError: the shapes differ.
    """
    if estimate.shape != target.shape:
        raise ValueError(f"expected two arrays of one shape, got {estimate.shape} and {target.shape}")
    heard, wanted = (np.ravel(array).astype(np.float64) for array in (estimate, target))
    scaled = wanted * (np.dot(heard, wanted) / (np.dot(wanted, wanted) + _TINY))
    error = heard - scaled
    return float(10.0 * np.log10((np.dot(scaled, scaled) + _TINY) / (np.dot(error, error) + _TINY)))


def si_sdr_improvement_db(estimate: Samples, mixture: Samples, target: Samples) -> float:
    """How much nearer the estimate is to the target than the mixture was, dB.

    Raises:
        ValueError: the shapes differ.
    """
    return si_sdr_db(estimate, target) - si_sdr_db(mixture, target)


def level_change_db(output: Samples, reference: Samples) -> float:
    """Energy of the output relative to the reference in dB: for an absent target, how far it was pushed down is its
    negative (SI-SDR is undefined there).

    Raises:
        ValueError: the shapes differ.
    """
    if output.shape != reference.shape:
        raise ValueError(f"expected two arrays of one shape, got {output.shape} and {reference.shape}")
    energies = [float(np.sum(np.square(array, dtype=np.float64))) for array in (output, reference)]
    return float(10.0 * np.log10((energies[0] + _TINY) / (energies[1] + _TINY)))


def matched_spans(
    found: Sequence[tuple[float, float]], true: Sequence[tuple[float, float]], within_s: float = 0.1
) -> int:
    """How many found spans have a true one whose begin and end both lie within `within_s` seconds; each used once."""
    left = list(true)
    count = 0
    for begin, end in found:
        for one in left:
            if abs(one[0] - begin) <= within_s and abs(one[1] - end) <= within_s:
                left.remove(one)
                count += 1
                break
    return count


def f1_score(matched: int, found: int, true: int) -> float:
    """Harmonic mean of precision and recall; 1 where there was nothing to find and nothing was found."""
    return 2.0 * matched / (found + true) if found + true else 1.0
