"""How much of a present target's beginning is gated away before the model lets it through?

Regime: fixed held-out two-source mixtures of the advertised classes (`export.train.mixtures`); the other source sounds
from the start, the target begins after one second, so the model has first to deny it and then to notice it. What the
mask leaves of the target alone is measured exactly, without the other source's leakage in it: the target goes along in
the second channel of a stereo session whose graph hears only the mixture in the first, and gets the mixture's own mask
(`benchmarks.one_mask`; presence gate, analysis and synthesis are the session's).

In steps of 5 ms over 10 ms: the onset is the first place where the target is within 30 dB of its loudest and not more
than 6 dB below the other source (before that it is not heard in the mixture either); the cut lasts from there until the
output holds more than a given part of the target's energy there: -6, -10 and -20 dB. A target that stays below for a
second counts as one second, "denied". Percentiles.

Floor: 0 ms, the identity of a mask of ones. A frame of 20 ms that begins before the onset may weigh against it, so up
to 10 ms can be the windows' own.

    python -m benchmarks.onsets --data FOLDER
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import mixtures, report
from benchmarks.one_mask import with_one_mask
from benchmarks.quality import isolated
from engine.bundle import Bundle, load_bundle
from engine.frames import Samples, Vector
from export.train.corpus import SAMPLE_RATE
from export.train.mixtures import held_out_mixtures

NAME = "onsets"
BEGIN = SAMPLE_RATE
STEP, FRAME = SAMPLE_RATE // 200, SAMPLE_RATE // 100
LOUD_DB, MASKED_DB = -30.0, -6.0
THRESHOLDS_DB = (-6.0, -10.0, -20.0)
LONGEST_S = 1.0
ALLOWED_S = 0.02
"""What the project allows itself."""
FIRST_CHANNEL = (1.0, 0.0)
"""What the model hears of the two channels: the mixture, not the target that goes along."""


def options() -> argparse.ArgumentParser:
    """What can be asked for."""
    parser = mixtures.options(__doc__)
    parser.add_argument("--per-concept", type=int, default=8, help="mixtures of each advertised class")
    parser.add_argument("--snr", type=float, nargs=2, default=(-5.0, 5.0), metavar=("LOW", "HIGH"), help="dB")
    parser.add_argument("--seed", type=int, default=4)
    return parser


def masked_target(bundle: Bundle, samples: Samples, target: Samples, prompt: str) -> Samples:
    """`(1, n)`: the mask that the mixture `(1, n)` gets, laid on the target `(1, n)` alone."""
    heard_only = with_one_mask(bundle, FIRST_CHANNEL)
    return isolated(heard_only, np.concatenate([samples, target]), prompt)[1:]


def levels_db(samples: Vector) -> NDArray[np.float64]:
    """Power in dB of 10 ms of `[n]`, every 5 ms."""
    windows = np.lib.stride_tricks.sliding_window_view(samples.astype(np.float64), FRAME)[::STEP]
    return np.asarray(10 * np.log10(np.mean(np.square(windows), axis=-1) + 1e-12))


def cut_s(kept: Vector, target: Vector, rest: Vector, threshold_db: float) -> float | None:
    """Seconds from the onset on during which less than `threshold_db` of the target is left; None without an onset."""
    kept_db, target_db, rest_db = (levels_db(part) for part in (kept, target, rest))
    heard = (target_db > target_db.max() + LOUD_DB) & (target_db > rest_db + MASKED_DB)
    if not heard.any():
        return None
    onset = int(np.argmax(heard))
    most = int(LONGEST_S * SAMPLE_RATE / STEP)
    passed = (kept_db - target_db)[onset : onset + most] > threshold_db
    return float((np.argmax(passed) if passed.any() else most) * STEP / SAMPLE_RATE)


def main() -> None:
    """Run it."""
    asked = options().parse_args()
    bundle = load_bundle(asked.model)
    cuts: dict[float, list[float]] = {threshold: [] for threshold in THRESHOLDS_DB}
    by_class: dict[str, list[float]] = {}
    with mixtures.held_out_recordings(asked) as (recordings, store):
        for mixture in held_out_mixtures(
            recordings, store, concepts=sorted(bundle.vocabulary.advertised), per_concept=asked.per_concept,
            seconds=asked.seconds, snr_db=tuple(asked.snr), seed=asked.seed,
        ):  # fmt: skip
            target = np.concatenate([np.zeros(BEGIN, np.float32), mixture.target[:-BEGIN]])
            kept = masked_target(bundle, (target + mixture.rest)[None], target[None], mixture.concept)[0]
            for threshold, found in cuts.items():
                if (cut := cut_s(kept, target, mixture.rest, threshold)) is not None:
                    found.append(cut)
                    if threshold == -10.0:
                        by_class.setdefault(mixture.concept, []).append(cut)
    rows = {f"{threshold:g} dB": row_of(found) for threshold, found in cuts.items()}
    print(f"floor 0 ms; {bundle.spec.name}, time until more than so much of the target is let through")
    for name, row in rows.items():
        print(
            f"  {name:>7s}: {report.shown(row['cut_ms'], 'ms')}; longer than 20 ms in {100 * row['over_20_ms']:.0f} %,"
            f" denied for a second in {100 * row['denied']:.0f} % of {row['onsets']}"
        )
    shares = {name: round(float(np.mean(np.array(found) > ALLOWED_S)), 2) for name, found in sorted(by_class.items())}
    print("  longer than 20 ms at -10 dB, by class: " + ", ".join(f"{name} {share}" for name, share in shares.items()))
    report.finish(NAME, {"model": bundle.spec.name, "seed": asked.seed, **rows, "over_20_ms_by_class": shares}, asked)


def row_of(found: list[float]) -> dict[str, Any]:
    """Percentiles of cuts in seconds, and how many are too long.

    Raises:
        SystemExit: there were no onsets at all.
    """
    if not found:
        raise SystemExit("no onset was found: no held-out recordings of the advertised classes?")
    values = np.array(found)
    return {
        "onsets": len(values),
        "cut_ms": report.percentiles(values, digits=0),
        "over_20_ms": round(float(np.mean(values > ALLOWED_S)), 3),
        "denied": round(float(np.mean(values >= LONGEST_S)), 3),
    }


if __name__ == "__main__":
    report.run(main)
