"""How `benchmarks.peers` judges an output: its delay found and taken out, one band for all, three scores, the clock.

A 48 kHz model and a 16 kHz model are compared where both can hear: everything is brought to 16 kHz by one and the same
filter (0 to 8 kHz), the reference too, so nobody is paid for a band that the others never had. PESQ wants 16 kHz too.
The delay is not taken from anybody's documentation but found by cross-correlation, at the peer's own rate.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft, signal

from benchmarks.peers_streams import NARROW_HZ, WIDE_HZ, Peer, Vector, hops, optional_module
from engine.score import si_sdr_db

MOST_LAG_S = 0.1
EDGE_S = 0.05
"""Start and end that are not scored: states fill, windows stand alone, the resampler's filter has only one side."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What a peer made of a mixture: `samples [n]` at its rate, late by its lag, and CPU seconds of each hop."""

    samples: Vector
    hop_s: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Score:
    """One output against its target; None where the measure is not installed or refuses the recording."""

    si_sdr_db: float
    pesq: float | None
    stoi: float | None


def run(peer: Peer, samples: Vector) -> Heard:
    """`[n]` at 48 kHz through a fresh stream of `peer`, hop by hop; the clock counts all threads of the process."""
    own = at_rate(samples, peer.rate_hz)
    process = peer.open_stream()
    made, took = [], []
    for hop in hops(own, peer.hop or len(own), int(MOST_LAG_S * peer.rate_hz) if peer.hop else 0):
        begun = time.process_time()
        made.append(process(hop))
        took.append(time.process_time() - begun)
    return Heard(np.concatenate(made), np.array(took))


def at_rate(samples: Vector, rate_hz: int) -> Vector:
    """`[n]` at 48 kHz → `[n * rate / 48000]`, without delay.

    Raises:
        ValueError: a rate that does not divide 48 kHz.
    """
    if WIDE_HZ % rate_hz:
        raise ValueError(f"expected a rate that divides {WIDE_HZ}, got {rate_hz}")
    if rate_hz == WIDE_HZ:
        return samples
    return np.asarray(signal.resample_poly(samples, 1, WIDE_HZ // rate_hz, window=("kaiser", 10.0)), np.float32)


def lag_of(outputs: Sequence[Vector], references: Sequence[Vector], rate_hz: int) -> int:
    """Samples by which outputs are late, all together: the highest point of their summed cross-correlation.

    Looked for from 0 to `MOST_LAG_S`; each pair weighs the same. The correlation is not whitened: a denoiser turns down
    just the bands that whitening would turn up.
    """
    most = int(MOST_LAG_S * rate_hz)
    total: NDArray[np.float64] = np.zeros(most + 1)
    for output, reference in zip(outputs, references, strict=True):
        size = fft.next_fast_len(len(output) + len(reference), real=True)
        across = fft.irfft(fft.rfft(output, size) * np.conj(fft.rfft(reference, size)), n=size)[: most + 1]
        total += across / (np.linalg.norm(output) * np.linalg.norm(reference) + 1e-12)
    return int(np.argmax(total))


def in_band(output: Vector, lag: int, rate_hz: int, count: int) -> Vector:
    """`[count]` at 16 kHz of an output at `rate_hz`, its lag taken out."""
    aligned = output[lag:]
    if rate_hz != NARROW_HZ:
        aligned = np.asarray(
            signal.resample_poly(aligned, 1, rate_hz // NARROW_HZ, window=("kaiser", 10.0)), np.float32
        )
    whole = np.zeros(count, np.float32)
    whole[: min(count, len(aligned))] = aligned[:count]
    return whole


def inner(samples: Vector) -> Vector:
    """Without the edges that are not scored, at 16 kHz."""
    edge = int(EDGE_S * NARROW_HZ)
    return samples[edge:-edge]


class Judge:
    """Scores at 16 kHz; `absent` names the measures that are not installed.

    PESQ: ITU-T P.862.2, wide band (`pesq`, MIT, 0.0.4 of May 2022, 39 kB of source). STOI: Taal et al. 2011 (`pystoi`,
    MIT, 0.4.1 of December 2023, 8 kB).
    """

    def __init__(self) -> None:
        self._pesq, self._stoi = _function("pesq", "pesq"), _function("stoi", "pystoi")
        found = {"PESQ": self._pesq, "STOI": self._stoi}
        self.absent = [name for name, function in found.items() if function is None]

    def score(self, estimate: Vector, target: Vector) -> Score:
        """Of `[n]` and `[n]` at 16 kHz."""
        estimate, target = inner(estimate), inner(target)
        return Score(
            si_sdr_db(estimate[None], target[None]), self._perceived(estimate, target), self._clear(estimate, target)
        )

    def _perceived(self, estimate: Vector, target: Vector) -> float | None:
        if self._pesq is None:
            return None
        # PESQ raises where it finds no utterance in a recording; a value of -1 says so instead.
        found = float(self._pesq(NARROW_HZ, target, estimate, "wb", on_error=1))
        return found if found > 0 else None

    def _clear(self, estimate: Vector, target: Vector) -> float | None:
        return None if self._stoi is None else float(self._stoi(target, estimate, NARROW_HZ))


def _function(name: str, package: str) -> Any:
    return getattr(optional_module(package), name, None)
