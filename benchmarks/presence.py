"""Does the gate by the model's own activity make an absent target silent, and does it cut one that is there?

Regime: fixed two-source mixtures of 4 s at -5 to 5 dB (`export.train.mixtures`) of each class that the bundle
advertises, at 48 kHz, through the real engine offline; each is asked for what is in it and for a class that is not.
All of it with the gate of `engine.programs.presence` as it is, without it, and with others. Absent: level of the output
against the mixture's, mean and median, and how often it is 20 dB down. Present: SI-SDR improvement, and how many of the
true target's onsets (loud after 100 ms more than 20 dB below its loudest) lose more than 20 ms to the gate: hops in a
row in which less than half the power is left of what comes without it.

Floor and ceiling: an open gate changes nothing; a perfect one makes absent targets silent at no cost.

    python -m benchmarks.presence --data FOLDER [--side train]     train: recordings to choose thresholds by
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import report
from benchmarks.activity import hop_levels
from benchmarks.mixtures import recordings_of_a_side, sided_options
from engine.bundle import Bundle, load_bundle
from engine.frames import Samples
from engine.offline import separate
from engine.programs.presence import OPEN_ABOVE, SHUT_BELOW, PresenceGate
from engine.prompt import Target
from engine.score import level_change_db, si_sdr_improvement_db
from export.train.concepts import too_near
from export.train.corpus import SAMPLE_RATE
from export.train.mixtures import Mixture, held_out_mixtures

NAME = "presence"
EDGE = 480
"""The first and last hop are not scored: they lie under one window only."""

SLOTS = 64
LONGEST_CUT_HOPS = 2
GATES = {
    "none": (SHUT_BELOW, 0.0),
    "as it is": (SHUT_BELOW, OPEN_ABOVE),
    "0.01 to 0.02": (0.01, 0.02),
    "0.05 to 0.1": (0.05, 0.1),
    "0.1 to 0.2": (0.1, 0.2),
    "0.2 to 0.3": (0.2, 0.3),
    "0.3 to 0.4": (0.3, 0.4),
    "0.4 to 0.5": (0.4, 0.5),
}
"""Name → activity below which it is shut, and above which it is open."""


def options() -> argparse.ArgumentParser:
    """What can be asked for."""
    parser = sided_options(__doc__)
    parser.add_argument("--seed", type=int, default=5)
    return parser


def isolated(bundle: Bundle, mixture: Mixture, prompt: str) -> Samples:
    """`(1, n)` of what the prompt asks for."""
    found = separate(bundle, mixture.samples[None], SAMPLE_RATE, (Target("kept", prompt),), residual=False)
    return found.targets["kept"]


def absent_word(mixture: Mixture, words: Sequence[str], rng: np.random.Generator) -> str:
    """A class that neither source answers to."""
    sounding = (mixture.concept, mixture.other, *mixture.other_concepts)
    silent = [word for word in words if not any(word == heard or too_near(word, heard) for heard in sounding)]
    return silent[int(rng.integers(len(silent)))]


def onsets(target: NDArray[np.float32]) -> list[int]:
    """Hops at which the target is loud after at least ten quiet ones."""
    levels = hop_levels(target)
    loud = levels > levels.max() * 1e-2
    return [hop for hop in range(10, len(loud) - 40) if loud[hop] and not loud[hop - 10 : hop].any()]


def cut_hops(gated: Samples, free: Samples, onset: int) -> int:
    """Hops from `onset` on in which the gate leaves less than half the power."""
    here = slice(onset * EDGE, (onset + 40) * EDGE)
    kept = hop_levels(gated[0, here]) > 0.5 * hop_levels(free[0, here]) - 1e-12
    return int(np.argmax(kept)) if kept.any() else len(kept)


def judged(bundle: Bundle, mixtures: Sequence[Mixture], words: Sequence[str], seed: int) -> dict[str, Any]:
    """Every gate on every mixture."""
    rng = np.random.default_rng(seed)
    absent = [absent_word(mixture, words, rng) for mixture in mixtures]
    inner = slice(EDGE, -EDGE)
    free: list[Samples] = []
    rows: dict[str, Any] = {}
    for name, (shut_below, open_above) in GATES.items():
        bundle.masking.presence = PresenceGate(shut_below, open_above)
        bundle.masking.presence.grow(SLOTS)
        levels, improved, cuts = [], [], []
        for index, (mixture, word) in enumerate(zip(mixtures, absent, strict=True)):
            whole, target = mixture.samples[None], mixture.target[None]
            levels.append(level_change_db(isolated(bundle, mixture, word)[:, inner], whole[:, inner]))
            kept = isolated(bundle, mixture, mixture.concept)
            improved.append(si_sdr_improvement_db(kept[:, inner], whole[:, inner], target[:, inner]))
            if name == "none":
                free.append(kept)
            cuts += [cut_hops(kept, free[index], onset) for onset in onsets(mixture.target)]
        rows[name] = {
            "absent_mean_db": round(float(np.mean(levels)), 2),
            "absent_median_db": round(float(np.median(levels)), 2),
            "absent_20_db_down": round(float(np.mean(np.array(levels) < -20)), 3),
            "si_sdr_improvement_db": round(float(np.mean(improved)), 3),
            "onsets": len(cuts),
            "onsets_cut_over_20_ms": round(float(np.mean(np.array(cuts) > LONGEST_CUT_HOPS)), 4),
        }
    return rows


def main() -> None:
    """Run it."""
    asked = options().parse_args()
    bundle = load_bundle(asked.model, provider="cpu")
    words = list(bundle.vocabulary.advertised)
    with recordings_of_a_side(asked) as (recordings, store):
        arranged = {"concepts": words, "per_concept": asked.per_concept, "seed": asked.seed}
        mixtures = list(held_out_mixtures(recordings, store, **arranged))
    print(f"{len(mixtures)} mixtures of {len(words)} classes, {asked.side} recordings, {bundle.spec.name}")
    print("floor: the row without a gate")
    rows = judged(bundle, mixtures, words, asked.seed)
    for name, row in rows.items():
        print(f"  {name:12s} " + "  ".join(f"{key} {value}" for key, value in row.items()))
    kept = {"side": asked.side, "mixtures": len(mixtures)}
    report.finish(NAME, {**kept, "gates": rows}, asked)


if __name__ == "__main__":
    report.run(main)
