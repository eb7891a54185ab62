"""How well is what was asked for separated: per class, for absent targets, and with the prompts swapped?

Regime: fixed two-source mixtures (`export.train.mixtures`, the same for the same seed) of recordings that the training
never heard, at 48 kHz, both sources limited to the narrower one's band; each goes through the real engine, offline,
prompted in words. SI-SDR improvement per class, mean and median, equal weight for each class in the overall mean;
a class counts as advertised where the bundle says so. Absent target: a class that neither source answers to is asked
for, and the output's level against the mixture's is reported, since SI-SDR is undefined there. Swap test: the same
mixture, prompt A then B; `wrong-source rate` is how often the output for A is nearer to B. Its neighbours ask about
stereo (`benchmarks.stereo`), cut onsets (`benchmarks.onsets`) and other denoisers (`benchmarks.peers`).

Floor and ceiling are printed first: the unprocessed mixture improves by 0 dB, an ideal ratio mask on the model's own
window by the figure shown.

    python -m benchmarks.quality --data FOLDER     a folder with manifest.csv and the recordings (see export/train)
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import fft

from benchmarks import mixtures, report
from engine.bundle import Bundle, load_bundle
from engine.errors import UnknownPrompt
from engine.frames import Samples
from engine.offline import separate
from engine.overlap_add import root_hann
from engine.prompt import Target
from engine.score import level_change_db, si_sdr_db
from engine.spec import AudioSpec
from export.train.concepts import too_near
from export.train.corpus import SAMPLE_RATE
from export.train.mixtures import Mixture, held_out_mixtures

NAME = "quality"
EDGE = 480
"""The first and last hop are not scored: they lie under one window only."""


def options() -> argparse.ArgumentParser:
    """What can be asked for."""
    parser = mixtures.options(__doc__)
    parser.add_argument("--per-concept", type=int, default=20, help="mixtures of each class")
    parser.add_argument("--snr", type=float, nargs=2, default=(-5.0, 5.0), metavar=("LOW", "HIGH"), help="dB")
    parser.add_argument("--concepts", nargs="+", help="only these (default: all that the bundle knows)")
    parser.add_argument("--seed", type=int, default=1)
    return parser


@dataclass(slots=True)
class Scores:
    """What was measured, in dB; lists by concept."""

    improvement_db: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    ceiling_db: list[float] = field(default_factory=list)
    residual_db: list[float] = field(default_factory=list)
    absent_db: list[float] = field(default_factory=list)
    swapped: list[bool] = field(default_factory=list)


def isolated(bundle: Bundle, samples: Samples, prompt: str) -> Samples:
    """`(channels, n)` of what the prompt asks for, through the real engine."""
    found = separate(bundle, samples, SAMPLE_RATE, (Target("kept", prompt),), residual=False)
    return found.targets["kept"]


def ideal_ratio_mask(audio: AudioSpec, target: Samples, rest: Samples) -> Samples:
    """What the best real mask on the model's own window makes of target + rest, `(1, n)`."""
    taper = root_hann(audio.window)
    count = (target.shape[1] - audio.window) // audio.hop + 1
    spectra = []
    for source in (target, rest):
        frames = np.lib.stride_tricks.sliding_window_view(source[0], audio.window)[:: audio.hop][:count]
        spectra.append(fft.rfft(frames * taper, axis=-1))
    power = [np.square(np.abs(spectrum)) for spectrum in spectra]
    mask = np.sqrt(power[0] / (power[0] + power[1] + 1e-12))
    frames = fft.irfft(mask * (spectra[0] + spectra[1]), n=audio.window, axis=-1) * taper
    whole = np.zeros((1, target.shape[1]), np.float32)
    for index, frame in enumerate(frames):
        whole[0, index * audio.hop : index * audio.hop + audio.window] += frame
    return whole


def inner(samples: Samples) -> Samples:
    """Without the edges that are not scored."""
    return samples[:, EDGE:-EDGE]


def score(bundle: Bundle, heard: Iterable[Mixture], absent: Sequence[str], seed: int) -> Scores:
    """Every mixture: the right prompt, the other source's prompt, and one that is absent."""
    scores = Scores()
    rng = np.random.default_rng(seed)
    for mixture in heard:
        samples, target, rest = (inner(part[None]) for part in (mixture.samples, mixture.target, mixture.rest))
        estimate = inner(isolated(bundle, mixture.samples[None], mixture.concept))
        right_db = si_sdr_db(estimate, target)
        floor_db = si_sdr_db(samples, target)
        scores.improvement_db[mixture.concept].append(right_db - floor_db)
        scores.residual_db.append(si_sdr_db(samples - estimate, rest) - si_sdr_db(samples, rest))
        ideal = inner(ideal_ratio_mask(bundle.spec.audio, mixture.target[None], mixture.rest[None]))
        scores.ceiling_db.append(si_sdr_db(ideal, target) - floor_db)
        scores.swapped.append(si_sdr_db(estimate, rest) > right_db)
        sounding = (mixture.concept, mixture.other, *mixture.other_concepts)
        silent = [word for word in absent if not any(word == heard or too_near(word, heard) for heard in sounding)]
        if silent:
            word = silent[int(rng.integers(len(silent)))]
            scores.absent_db.append(level_change_db(inner(isolated(bundle, mixture.samples[None], word)), samples))
    return scores


def known(bundle: Bundle, words: Iterable[str]) -> list[str]:
    """The words that the bundle's prompts reach."""
    found = []
    for word in words:
        try:
            separate(bundle, np.zeros((1, 960), np.float32), SAMPLE_RATE, (Target("kept", word),), residual=False)
        except UnknownPrompt:
            continue
        found.append(word)
    return found


def spread(values: Sequence[float]) -> dict[str, float]:
    """Mean, median and count."""
    return {
        "mean": round(float(np.mean(values)), 2),
        "median": round(float(np.median(values)), 2),
        "count": len(values),
    }


def result_of(scores: Scores, bundle: Bundle) -> dict[str, Any]:
    """The scores as one object."""
    classes = {name: spread(values) for name, values in sorted(scores.improvement_db.items())}
    advertised = [name for name in classes if name in bundle.vocabulary.advertised]
    return {
        "si_sdr_improvement_db": classes,
        "mean_over_advertised_db": _mean(classes[name]["mean"] for name in advertised),
        "mean_over_all_db": _mean(row["mean"] for row in classes.values()),
        "advertised": advertised,
        "advertised_below_0_db": [name for name in advertised if classes[name]["mean"] < 0],
        "residual_improvement_db": spread(scores.residual_db) if scores.residual_db else {},
        "absent_level_db": spread(scores.absent_db) if scores.absent_db else {},
        "wrong_source_rate": _mean(scores.swapped, 3),
        "ideal_ratio_mask_db": _mean(scores.ceiling_db),
    }


def _mean(values: Iterable[float], digits: int = 2) -> float | None:
    listed = [float(value) for value in values]
    return round(float(np.mean(listed)), digits) if listed else None


def main() -> None:
    """Run it."""
    asked = options().parse_args()
    bundle = load_bundle(asked.model)
    with mixtures.held_out_recordings(asked) as (held_out, store):
        words = sorted({concept for recording in held_out for concept in recording.concepts})
        words = known(bundle, asked.concepts or words)
        arranged = {"seconds": asked.seconds, "snr_db": tuple(asked.snr), "seed": asked.seed}
        heard = list(held_out_mixtures(held_out, store, concepts=words, per_concept=asked.per_concept, **arranged))
        print(f"{len(heard)} mixtures of {len(words)} classes from {len(held_out)} recordings, {bundle.spec.name}")
        scores = score(bundle, heard, words, asked.seed)
    result = result_of(scores, bundle)
    print(f"floor 0 dB (unprocessed); ceiling {result['ideal_ratio_mask_db']} dB (ideal ratio mask, same window)")
    for name, row in sorted(result["si_sdr_improvement_db"].items(), key=lambda item: -item[1]["mean"]):
        mark = "advertised" if name in result["advertised"] else ""
        print(f"  {name:20s} mean {row['mean']:6.2f}  median {row['median']:6.2f} dB  ({row['count']})  {mark}")
    for name in ("mean_over_advertised_db", "mean_over_all_db", "residual_improvement_db", "absent_level_db",
                 "wrong_source_rate"):  # fmt: skip
        print(f"  {name}: {result[name]}")
    report.finish(NAME, {"model": bundle.spec.name, "mixtures": len(heard), **arranged, **result}, asked)


if __name__ == "__main__":
    report.run(main)
