"""Cut sources from recordings and mix them: the fixed held-out mixtures that every score is measured on. numpy only.

`held_out_mixtures` is what `benchmarks/quality.py` and `export.train.evaluate` share.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import fft

from export.train.cache import SampleStore
from export.train.concepts import too_near
from export.train.corpus import MAN, NAMELESS, SAMPLE_RATE, SPEECH, WOMAN, Recording

Float32 = npt.NDArray[np.float32]
Rng = np.random.Generator
_SILENT = 1e-8
"""Mean square below which a cut counts as silence (-80 dBFS)."""


@dataclass(frozen=True, slots=True)
class Mixture:
    """`target` + `rest` = `samples`, each `[n]` float32 at 48 kHz; `concept` is asked for, `other` labels the rest."""

    samples: Float32
    target: Float32
    rest: Float32
    concept: str
    other: str
    other_concepts: tuple[str, ...]
    snr_db: float


class Cut(NamedTuple):
    """`length` samples of a recording from `begin` on, laid down at `at`."""

    begin: int
    at: int
    length: int


def cuts(available: int, length: int, rng: Rng) -> list[Cut]:
    """How `length` samples are filled from a recording of `available`: with a random piece of a long one, or with a
    short one once to three times."""
    if available >= length:
        return [Cut(int(rng.integers(available - length + 1)), 0, length)]
    found = []
    at = int(rng.integers(min(length - available, length // 2) + 1))
    for _ in range(3):
        found.append(Cut(0, at, min(available, length - at)))
        at += available + int(rng.integers(length // 3 + 1))
        if at + available > length or rng.random() < 0.4:
            break
    return found


def cut(samples: npt.NDArray[np.int16], length: int, rng: Rng) -> Float32:
    """`[length]` float32 of a recording, filled as `cuts` says."""
    out = np.zeros(length, np.float32)
    for begin, at, part in cuts(len(samples), length, rng):
        out[at : at + part] = samples[begin : begin + part].astype(np.float32) / np.float32(32768)
    return out


def low_pass(samples: Float32, cut_hz: float) -> Float32:
    """`[n]` without what lies above `cut_hz` (a brick wall over the whole cut)."""
    spectrum = fft.rfft(samples)
    spectrum[int(cut_hz * len(samples) / SAMPLE_RATE) :] = 0
    return np.asarray(fft.irfft(spectrum, n=len(samples)), np.float32)


def gain_for_snr(target: Float32, rest: Float32, snr_db: float) -> float:
    """Factor on `rest` so that 10 log10(sum target² / sum rest²) = `snr_db`, over the whole cut.

    Raises:
        ValueError: one of them is silent.
    """
    target_power, rest_power = float(np.mean(np.square(target))), float(np.mean(np.square(rest)))
    if min(target_power, rest_power) < _SILENT * 1e-4:
        raise ValueError("a silent source has no signal-to-noise ratio")
    return float(np.sqrt(target_power / rest_power / 10 ** (snr_db / 10)))


def mix_pair(target: Float32, rest: Float32, snr_db: float, level_db: float = -23.0) -> tuple[Float32, Float32]:
    """Target and rest scaled to `snr_db` between them and `level_db` dBFS (root mean square) for their sum.

    Raises:
        ValueError: one of them is silent.
    """
    rest = rest * np.float32(gain_for_snr(target, rest, snr_db))
    scale = np.float32(10 ** (level_db / 20) / np.sqrt(np.mean(np.square(target + rest)) + 1e-12))
    return target * scale, rest * scale


def held_out_mixtures(
    recordings: Sequence[Recording],
    store: SampleStore,
    *,
    concepts: Sequence[str] | None = None,
    per_concept: int = 20,
    seconds: float = 4.0,
    snr_db: tuple[float, float] = (-5.0, 5.0),
    others: Sequence[str] | None = None,
    seed: int = 1,
) -> Iterator[Mixture]:
    """Fixed two-source mixtures: for each concept `per_concept` cuts against another class, the same for the same seed.

    The recordings are used in turn, so each is heard. Both sources are limited to the narrower one's own band (real
    speech here ends at 8 kHz): else a low-pass filter would already score as a separation. `others` limits the labels
    of the second source. A man or a woman is heard against the other sex half of the time.
    """
    length = int(seconds * SAMPLE_RATE)
    named = [r for r in recordings if r.label != NAMELESS]
    by_concept: dict[str, list[Recording]] = defaultdict(list)
    by_label: dict[str, list[Recording]] = defaultdict(list)
    for recording in named:
        by_label[recording.label].append(recording)
        for concept in recording.concepts:
            by_concept[concept].append(recording)
    for concept in concepts if concepts is not None else sorted(by_concept):
        members = by_concept.get(concept, [])
        for take in range(per_concept if members else 0):
            # the generator depends on the concept and the take alone, so adding classes moves no other mixture's cut
            rng = np.random.default_rng([seed, take, *concept.encode()])
            first = members[take % len(members)]
            pool = _other_voices(concept, by_concept, others, rng)
            if not pool:
                labels = [w for w in sorted(by_label) if not too_near(w, first.label) and w != first.label]
                labels = [w for w in labels if others is None or w in others]
                pool = by_label[_pick_label(labels, rng)] if labels else []
            if not pool:
                continue
            second = pool[int(rng.integers(len(pool)))]
            if (made := _pair(first, second, store, length, rng, snr_db, concept)) is not None:
                yield made


def _pick_label(labels: Sequence[str], rng: Rng) -> str:
    """Speech a quarter of the time: it is what most other sounds are heard with."""
    return SPEECH if SPEECH in labels and rng.random() < 0.25 else labels[int(rng.integers(len(labels)))]


def _other_voices(
    concept: str, by_concept: dict[str, list[Recording]], others: Sequence[str] | None, rng: Rng
) -> list[Recording]:
    """For a man or a woman the other sex's voices, half of the time; else nothing."""
    opposite = {MAN: WOMAN, WOMAN: MAN}.get(concept)
    return by_concept[opposite] if opposite and others is None and rng.random() < 0.5 else []


def _pair(
    first: Recording,
    second: Recording,
    store: SampleStore,
    length: int,
    rng: Rng,
    snr_db: tuple[float, float],
    concept: str,
) -> Mixture | None:
    target, rest = (_audible_cut(store[r.file], length, rng) for r in (first, second))
    if target is None or rest is None:
        return None
    band_hz = min(first.native_sr_hz, second.native_sr_hz) / 2
    if band_hz < SAMPLE_RATE / 2 - 3000:
        target, rest = low_pass(target, band_hz), low_pass(rest, band_hz)
    ratio_db = float(rng.uniform(*snr_db)) if snr_db[0] < snr_db[1] else snr_db[0]
    target, rest = mix_pair(target, rest, ratio_db)
    return Mixture(target + rest, target, rest, concept, second.label, second.concepts, ratio_db)


def _audible_cut(samples: npt.NDArray[np.int16], length: int, rng: Rng) -> Float32 | None:
    for _ in range(8):
        piece = cut(samples, length, rng)
        if float(np.mean(np.square(piece))) > _SILENT:
            return piece
    return None
