"""Score a checkpoint on held-out recordings: `python -m export.train.evaluate --checkpoint FILE --data DIR`.

Two-source mixtures of 4 s at -5…+5 dB, the target cut so that it may begin late or end early, both sources limited to
the narrower one's band; fixed by their seed. With `--json FILE` the scores are kept for `python -m export bundle`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from export.command_line import HelpFormat, answer, require_place, require_torch, whole

if __name__ == "__main__":
    require_torch("python -m export.train.evaluate")

import numpy as np
import torch

from engine.lexicon import lexicon_for
from export.models.queried import QueriedSeparator
from export.train import checkpoint
from export.train.cache import SampleStore, open_recordings
from export.train.concepts import NOISES
from export.train.corpus import SPEECH, Recording
from export.train.mixtures import Mixture, held_out_mixtures
from export.train.validation import score

COMMAND = "python -m export.train.evaluate"
JUDGED_UMBRELLAS = ("music", "instrument", "animal", "vehicle")
SEED = 1
MANY = 50


def evaluate(
    model: QueriedSeparator,
    held_out: Sequence[Recording],
    store: SampleStore,
    per_concept: int = 20,
    seconds: float = 4.0,
) -> dict[str, Any]:
    """Every score that the card prints, ready for JSON: see the keys."""
    mix = partial(held_out_mixtures, held_out, store, seconds=seconds)
    recordings = Counter(concept for recording in held_out for concept in recording.concepts)
    all_classes = score(
        model,
        # voices have recordings enough for three times as many mixtures, and theirs is the score that matters most
        chain.from_iterable(
            mix(concepts=[c], per_concept=(3 if recordings[c] >= MANY else 1) * per_concept, seed=SEED)
            for c in model.concepts
        ),
        absent=[concept for concept in model.concepts if recordings[concept]],
    )
    means = all_classes.mean_db()
    return {
        "seed": SEED,
        "mixtures": sum(len(values) for values in all_classes.improvement_db.values()),
        "concepts": {
            concept: {
                "si_sdr_improvement_db": _rounded(means.get(concept)),
                "standard_error_db": _rounded(_standard_error(all_classes.improvement_db.get(concept, []))),
                "held_out_recordings": recordings[concept],
                "wrong_nearer": _rounded(all_classes.wrong_nearer([concept]), 4) if concept in means else None,
            }
            for concept in model.concepts
        },
        "all_classes": {
            name: _rounded(value, 4 if name == "wrong_nearer" else 2) for name, value in all_classes.summary().items()
        },
        "absent_median_db": _rounded(float(np.median(all_classes.absent_db))) if all_classes.absent_db else None,
        "everything_but_speech_db": _rounded(_mean(all_classes.rest_improvement_db.get(SPEECH, []))),
        "speech_against_noise_db": {
            f"{snr_db:+d} dB": _rounded(_mean(_against_noise(model, mix, snr_db))) for snr_db in (0, 5, 10)
        },
        "umbrellas_db": {
            name: _rounded(_mean(_under_umbrella(model, mix, name, recordings, per_concept)))
            for name in JUDGED_UMBRELLAS
        },
    }


def _under_umbrella(
    model: QueriedSeparator, mix: Callable[..., Iterator[Mixture]], name: str, recordings: Counter[str], count: int
) -> list[float]:
    """Improvements where a word for many is asked for and one of its members sounds beside something else."""
    members = set(model.concepts).intersection(lexicon_for().meaning(f"kind:{name}").scores)
    judged = sorted(concept for concept in members if recordings[concept] >= 4)
    others = [concept for concept in recordings if concept not in members]
    each = max(1, 2 * count // max(len(judged), 1))
    mixtures = mix(concepts=judged, per_concept=each, others=others, seed=SEED + 2)
    found = score(model, mixtures, umbrella=members).improvement_db
    return [value for values in found.values() for value in values]


def _against_noise(model: QueriedSeparator, mix: Callable[..., Iterator[Mixture]], snr_db: int) -> list[float]:
    """Improvements of speech in 40 mixtures at one ratio with sounds that count as noise."""
    if SPEECH not in model.concepts:
        return []
    mixtures = mix(concepts=[SPEECH], per_concept=40, snr_db=(snr_db, snr_db), others=NOISES, seed=SEED + 1)
    return score(model, mixtures).improvement_db[SPEECH]


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _standard_error(values: Sequence[float]) -> float | None:
    return float(np.std(values, ddof=1) / len(values) ** 0.5) if len(values) > 1 else None


def _rounded(value: float | None, digits: int = 2) -> float | None:
    return None if value is None else round(value, digits)


def table(report: dict[str, Any]) -> str:
    """The report as text, best class first."""
    rows = sorted(report["concepts"].items(), key=lambda item: -(item[1]["si_sdr_improvement_db"] or -99.0))
    lines = [
        f"{name:18} {_text(row['si_sdr_improvement_db']):>7} dB  {row['held_out_recordings']:4d} held-out recordings"
        for name, row in rows
    ]
    rest = {key: value for key, value in report.items() if key != "concepts"}
    return "\n".join([*lines, json.dumps(rest)])


def _text(value: float | None) -> str:
    return "–" if value is None else f"{value:+.2f}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Evaluate as the command line says; returns the exit status."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__, formatter_class=HelpFormat)
    parser.add_argument("--checkpoint", type=Path, required=True, help="what export.train.separator saved")
    parser.add_argument("--data", type=Path, required=True, help="folder with manifest.csv and the recordings")
    parser.add_argument("--cache", type=Path, default=Path("train-runs/cache"), help="where decoded samples are kept")
    parser.add_argument("--per-concept", type=whole(1), default=20, help="mixtures of each concept")
    parser.add_argument("--json", type=Path, help="write the report here")
    parser.add_argument("--last", action="store_true", help="the last weights in place of their running mean")
    parser.add_argument("--side", choices=("held-out", "train"), default="held-out",
                        help="train: recordings trained on, to see what a class lacks: data or learning")  # fmt: skip
    options = parser.parse_args(sys.argv[1:] if arguments is None else arguments)
    if options.json and options.side == "train":
        parser.error("--json: expected no file with --side train: a card is made from held-out recordings alone")
    return answer(COMMAND, lambda: _evaluated(options))


def _evaluated(options: argparse.Namespace) -> int:
    torch.set_num_threads(1)
    content = checkpoint.load(options.checkpoint)
    model = checkpoint.build(content, averaged=not options.last)
    checkpoint.require_finite(model.state_dict())
    if options.json:
        require_place("--json", options.json)
    train, held_out, store = open_recordings(options.data, options.cache)
    judged = held_out if options.side == "held-out" else train
    report = evaluate(model, judged, store, options.per_concept)
    report |= {
        "steps": content["steps"],
        "trained_minutes": round(content["elapsed_s"] / 60, 1),
        "per_concept": options.per_concept,
    }
    print(table(report))
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
