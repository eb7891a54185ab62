"""By which rules does activity become events? Chooses `engine.activity.LIVE` and `FILES` for the bundle at hand.

Regime: the scenes of `benchmarks.activity`, made of recordings that the model was trained on (`--side train`; what is
chosen is judged on others). The model hears each once; its probability and level of every hop are kept, and every
setting is tried on those. One rule after the other is set to its best value, in rounds, until nothing moves; F1 with
onset and offset within 100 ms, its mean over the ratios. It never ends above the probability at which it begins.

Floor: the rules as they are. Ceiling: not known; 1 would need a model that is always sure.

    python -m benchmarks.activity_rules --data FOLDER --side train
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar

import numpy as np

from benchmarks import report
from benchmarks.activity import Scene, Spans, Tally, scenes
from benchmarks.mixtures import recordings_of_a_side, sided_options
from engine.activity import FILES, LIVE, ActivityGate, ActivityRecord, FileRules, Floats, LiveRules, find_soundings
from engine.bundle import Bundle, load_bundle
from engine.offline import separate_blocks
from engine.prompt import Target
from export.train.corpus import SAMPLE_RATE

NAME = "activity_rules"
Rules = TypeVar("Rules", LiveRules, FileRules)

CHOICES: dict[str, Sequence[float]] = {
    "begins_above": (0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8),
    "ends_below": (0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6),
    "begin_hops": (1, 2, 3, 4, 6, 8, 10),
    "end_hops": (10, 15, 20, 25, 30, 35, 40),
    "audible_db": (12.0, 15.0, 18.0, 20.0, 22.0, 25.0, 28.0, 31.0),
    "forgets_db": (0.01, 0.03, 0.1),
    "follows": (0.2, 0.4, 0.6, 0.8),
    "smooth_hops": (1, 3, 5, 7, 9, 13, 19),
    "level_hops": (1, 3, 5, 7),
    "around_hops": (401, 1001),
    "shortest_hops": (5, 10, 15, 20),
    "sure_above": (0.4, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8),
    "unsure": (0.3, 0.45, 0.6, 0.7, 0.8, 0.9),
}


@dataclass(frozen=True, slots=True)
class Heard:
    """What the model said of a scene, hop by hop, and the truth."""

    probability: Floats
    power: Floats
    truth: Spans


def options() -> argparse.ArgumentParser:
    """What can be asked for."""
    parser = sided_options(__doc__)
    parser.add_argument("--snr", type=float, nargs="+", default=[0.0, 10.0, 20.0, 60.0], help="dB; 60: alone")
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--rounds", type=int, default=3)
    return parser


def hear(bundle: Bundle, scene: Scene) -> Heard:
    """The model's account of a scene."""
    record = ActivityRecord()
    for _ in separate_blocks(
        bundle, [scene.samples], SAMPLE_RATE, 1, (Target("kept", scene.concept),), residual=False, record=record
    ):
        pass  # only the record is wanted
    return Heard(*record.heard("kept"), scene.spans)


def live_spans(heard: Heard, rules: LiveRules, hop_s: float) -> Spans:
    """As the `activity` events of a session would say; one that has not ended ends with the scene."""
    changes = ActivityGate(hop_s, rules).changes(heard.probability, heard.power)
    begins = [hop * hop_s for hop, state in changes if state == "start"]
    ends = [hop * hop_s for hop, state in changes if state == "end"]
    return list(zip(begins, [*ends, len(heard.power) * hop_s], strict=False))


def file_spans(heard: Heard, rules: FileRules, hop_s: float) -> Spans:
    """As `predict_spans` would say."""
    return [(one.start_s, one.end_s) for one in find_soundings(heard.probability, heard.power, hop_s, rules)]


def f1_by_ratio(
    made: dict[float, list[Heard]], spans: Callable[[Heard, Rules, float], Spans], rules: Rules, hop_s: float
) -> dict[float, float]:
    """F1 at each ratio."""
    found = {}
    for snr_db, all_heard in made.items():
        tally = Tally()
        for heard in all_heard:
            tally.count(spans(heard, rules, hop_s), heard.truth)
        found[snr_db] = tally.result()["f1"]
    return found


def chosen(
    made: dict[float, list[Heard]],
    spans: Callable[[Heard, Rules, float], Spans],
    rules: Rules,
    hop_s: float,
    rounds: int,
) -> Rules:
    """The rules after `rounds` of setting one after the other."""

    def mean_f1(tried: Rules) -> float:
        return float(np.mean(list(f1_by_ratio(made, spans, tried, hop_s).values())))

    best, best_f1 = rules, mean_f1(rules)
    for _ in range(rounds):
        before = best
        for name in asdict(rules):
            for value in CHOICES[name]:
                changed: dict[str, Any] = {name: value}
                tried = replace(best, **changed)
                if tried.ends_below > tried.begins_above:
                    continue  # no hysteresis: what has just begun would end again
                if (f1 := mean_f1(tried)) > best_f1 + 1e-4:
                    best, best_f1 = tried, f1
        if best == before:
            break
    return best


def told(
    name: str,
    made: dict[float, list[Heard]],
    spans: Callable[[Heard, Rules, float], Spans],
    rules: Rules,
    hop_s: float,
    rounds: int,
) -> dict[str, Any]:
    """Choose, print and give both rows."""
    best = chosen(made, spans, rules, hop_s, rounds)
    result: dict[str, Any] = {}
    for what, tried in (("as they are", rules), ("chosen", best)):
        row = {f"{snr_db:g} dB": f1 for snr_db, f1 in f1_by_ratio(made, spans, tried, hop_s).items()}
        print(f"{name:6s}{what:12s} " + "  ".join(f"{key} {value}" for key, value in row.items()))
        result[f"{name}, {what}"] = {"f1": row, "rules": asdict(tried)}
    print(f"      {best}", flush=True)
    return result


def main() -> None:
    """Run it."""
    asked = options().parse_args()
    bundle = load_bundle(asked.model, provider="cpu")
    concepts = list(bundle.vocabulary.advertised)
    hop_s = bundle.spec.audio.grain / bundle.spec.audio.sample_rate
    made: dict[float, list[Heard]] = {}
    with recordings_of_a_side(asked) as (recordings, store):
        for snr_db in asked.snr:
            drawn = scenes(recordings, store, concepts, asked.per_concept, snr_db, asked.seed)
            made[snr_db] = [hear(bundle, scene) for scene in drawn]
    result = {
        **told("live", made, live_spans, LIVE, hop_s, asked.rounds),
        **told("files", made, file_spans, FILES, hop_s, asked.rounds),
    }
    kept = {"side": asked.side}
    report.finish(NAME, {**kept, "scenes": {f"{key:g} dB": len(value) for key, value in made.items()}, **result}, asked)


if __name__ == "__main__":
    report.run(main)
