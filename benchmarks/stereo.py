"""Which scores better on stereo: one mask for both channels, made from the mid signal, or a mask for each channel?

Regime: fixed held-out two-source mixtures of the advertised classes (`export.train.mixtures`), placed in stereo in two
ways: `panned` by level (each source at a random angle, constant power, as a mixing desk does) and `spaced` by level and
by up to 0.7 ms between the channels (as two microphones or ears hear it; the mid signal then is a comb filter). The
same mixture goes twice through a stereo session: as the engine does it (a mask and a state for each channel, two rows
in the graph), and with the graph run once on the mid signal and its one mask on both channels (`benchmarks.one_mask`;
all but the graph call is the same code). SI-SDR improvement over both channels together; the two are compared mixture
by mixture, so the differences between mixtures drop out of the standard error.

Floor: the unprocessed stereo mixture improves by 0 dB.

    python -m benchmarks.stereo --data FOLDER
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import Any

import numpy as np

from benchmarks import mixtures, report
from benchmarks.one_mask import with_one_mask
from benchmarks.quality import inner, isolated
from engine.bundle import Bundle, load_bundle
from engine.frames import Samples
from engine.score import si_sdr_db
from export.train.corpus import SAMPLE_RATE
from export.train.mixtures import Mixture, held_out_mixtures

NAME = "stereo"
WIDEST_S = 0.0007
"""Time that sound takes around a head, or between microphones 24 cm apart."""
MID = (0.5, 0.5)
"""How much of each channel is in the mid signal."""


def options() -> argparse.ArgumentParser:
    """What can be asked for."""
    parser = mixtures.options(__doc__)
    parser.add_argument("--per-concept", type=int, default=4, help="mixtures of each advertised class")
    parser.add_argument("--snr", type=float, nargs=2, default=(-5.0, 5.0), metavar=("LOW", "HIGH"), help="dB")
    parser.add_argument("--seed", type=int, default=3)
    return parser


def placed(samples: Samples, rng: np.random.Generator, spaced: bool) -> Samples:
    """`[n]` as `(2, n)`: at a random angle, and where `spaced` later by up to `WIDEST_S` on the quieter side."""
    angle = rng.uniform(0.0, np.pi / 2)
    delay = round(abs(np.cos(angle) - np.sin(angle)) * WIDEST_S * SAMPLE_RATE) if spaced else 0
    sides = np.stack([np.cos(angle) * samples, np.sin(angle) * samples]).astype(np.float32)
    if delay:
        later = 0 if np.cos(angle) < np.sin(angle) else 1
        sides[later] = np.concatenate([np.zeros(delay, np.float32), sides[later][:-delay]])
    return sides


def both_ways(bundle: Bundle, mixture: Mixture, rng: np.random.Generator, spaced: bool) -> tuple[float, float]:
    """Improvement in dB with the mask of the mid signal, and with a mask for each channel."""
    target, rest = (placed(part, rng, spaced) for part in (mixture.target, mixture.rest))
    both = target + rest
    floor_db = si_sdr_db(inner(both), inner(target))
    mid = isolated(with_one_mask(bundle, MID), both, mixture.concept)
    apart = isolated(bundle, both, mixture.concept)
    mid_db, apart_db = (si_sdr_db(inner(found), inner(target)) - floor_db for found in (mid, apart))
    return mid_db, apart_db


def compared(pairs: Iterable[tuple[float, float]]) -> dict[str, float]:
    """Both means in dB, the mean difference with its standard error, and how often the mid signal is better.

    Raises:
        ValueError: fewer than two pairs.
    """
    mid, apart = np.array(list(pairs)).reshape(-1, 2).T
    if len(mid) < 2:
        raise ValueError("expected at least two mixtures")
    ahead = mid - apart
    return {
        "mixtures": len(mid),
        "mid_db": round(float(mid.mean()), 2),
        "per_channel_db": round(float(apart.mean()), 2),
        "mid_ahead_db": round(float(ahead.mean()), 2),
        "standard_error_db": round(float(ahead.std(ddof=1) / len(ahead) ** 0.5), 2),
        "mid_ahead_median_db": round(float(np.median(ahead)), 2),
        "mid_better_share": round(float(np.mean(ahead > 0)), 3),
    }


def main() -> None:
    """Run it."""
    asked = options().parse_args()
    bundle = load_bundle(asked.model)
    rng = np.random.default_rng(asked.seed)
    pairs: dict[str, list[tuple[float, float]]] = {"panned": [], "spaced": []}
    with mixtures.held_out_recordings(asked) as (recordings, store):
        for mixture in held_out_mixtures(
            recordings, store, concepts=sorted(bundle.vocabulary.advertised), per_concept=asked.per_concept,
            seconds=asked.seconds, snr_db=tuple(asked.snr), seed=asked.seed,
        ):  # fmt: skip
            for way, found in pairs.items():
                found.append(both_ways(bundle, mixture, rng, spaced=way == "spaced"))
    rows: dict[str, Any] = {way: compared(found) for way, found in pairs.items()}
    print(f"floor 0 dB (unprocessed); {bundle.spec.name}, SI-SDR improvement in dB")
    for way, row in rows.items():
        print(
            f"  {way}: mid {row['mid_db']:.2f}, per channel {row['per_channel_db']:.2f}; mid ahead by "
            f"{row['mid_ahead_db']:+.2f} ± {row['standard_error_db']:.2f} dB, better in "
            f"{100 * row['mid_better_share']:.0f} % of {row['mixtures']}"
        )
    report.finish(NAME, {"model": bundle.spec.name, "seconds": asked.seconds, "seed": asked.seed, **rows}, asked)


if __name__ == "__main__":
    report.run(main)
