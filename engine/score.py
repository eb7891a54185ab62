"""How good a separation is, as numbers that every report shares: one home for each formula."""

from __future__ import annotations

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
