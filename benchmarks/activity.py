"""Does it know when a target sounds: onsets and offsets within 100 ms, F1 of events, live and for files?

Regime: scenes of 10 s at 48 kHz with a known truth. Up to three events of one recording, 0.2 to 3 s long and 0.6 to
2.5 s apart, each a piece without an inner pause of 0.2 s, cut where it is within 20 dB of its loudest, with fades of
5 ms; one scene in seven has none. Behind them the whole time another class, at the ratio given (`--snr`, by the mean
power of the events), both limited to the narrower one's band. Every class that the bundle advertises, equally often.
Each scene goes through the real engine: `files` is `predict_spans`, `live` the `activity` events of a session. An event
counts as found where onset and offset both lie within 100 ms. Beside F1: F1 of onsets alone, and how far off the
nearest onsets and offsets are.

Floor and ceiling: an event detector that always answers "nothing" has F1 0; the truth itself has 1. Hops are 10 ms.

    python -m benchmarks.activity --data FOLDER     recordings that were not trained on
    … --side train                                  recordings that were: to choose thresholds by
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks import report
from benchmarks.mixtures import recordings_of_a_side, sided_options
from engine.batcher import Batcher
from engine.bundle import Bundle, load_bundle
from engine.config import SessionConfig
from engine.frames import Activity, Samples
from engine.offline import predict_spans
from engine.prompt import Target
from engine.score import f1_score, matched_spans
from engine.session import Session
from export.train.cache import SampleStore
from export.train.concepts import too_near
from export.train.corpus import NAMELESS, SAMPLE_RATE, Recording
from export.train.mixtures import cut, low_pass

NAME = "activity"
WITHIN_S = 0.1
HOP = 480
Rng = np.random.Generator
Spans = list[tuple[float, float]]


def options() -> argparse.ArgumentParser:
    """What can be asked for."""
    parser = sided_options(__doc__)
    parser.add_argument("--concepts", nargs="+", help="only these (default: all that the bundle advertises)")
    parser.add_argument("--snr", type=float, nargs="+", default=[0.0, 10.0, 20.0, 60.0], help="dB; 60: alone")
    parser.add_argument("--seed", type=int, default=7)
    return parser


@dataclass(frozen=True, slots=True)
class Scene:
    """`samples` `(1, n)`, what is asked for, and where it sounds, in seconds."""

    samples: Samples
    concept: str
    spans: Spans


@dataclass(slots=True)
class Tally:
    """Events of many scenes."""

    matched: int = 0
    onsets: int = 0
    found: int = 0
    true: int = 0
    onset_s: list[float] = field(default_factory=list)
    offset_s: list[float] = field(default_factory=list)

    def count(self, found: Spans, true: Spans) -> None:
        """One more scene."""
        self.found += len(found)
        self.true += len(true)
        self.matched += matched_spans(found, true, WITHIN_S)
        self.onsets += matched_spans(
            [(begin, 0.0) for begin, _ in found], [(begin, 0.0) for begin, _ in true], WITHIN_S
        )
        for begin, end in true if found else ():
            self.onset_s.append(min((one[0] - begin for one in found), key=abs))
            self.offset_s.append(min((one[1] - end for one in found), key=abs))

    def result(self) -> dict[str, Any]:
        """F1, F1 of onsets alone, and the errors' percentiles in ms."""
        return {
            "f1": round(f1_score(self.matched, self.found, self.true), 3),
            "f1_onsets": round(f1_score(self.onsets, self.found, self.true), 3),
            "events": self.true,
            "found": self.found,
            "onset_ms_p25_p50_p75": _quartiles_ms(self.onset_s),
            "offset_ms_p25_p50_p75": _quartiles_ms(self.offset_s),
        }


def _quartiles_ms(seconds: Sequence[float]) -> list[float]:
    return [round(1000.0 * float(value), 1) for value in np.percentile(seconds, (25, 50, 75))] if seconds else []


def hop_levels(samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Mean square of each whole hop of `[n]`."""
    whole = samples[: len(samples) // HOP * HOP].reshape(-1, HOP)
    return np.asarray(np.mean(np.square(whole), axis=1), np.float32)


def event_of(recording: npt.NDArray[np.int16], rng: Rng) -> npt.NDArray[np.float32] | None:
    """`[n]` of a recording that sounds from its first hop to its last, or None where it has no such piece."""
    for _ in range(20):
        length = int(rng.uniform(0.4, 3.0) * SAMPLE_RATE)
        start = int(rng.integers(max(len(recording) - length, 0) + 1))
        piece = recording[start : start + length].astype(np.float32) / np.float32(32768)
        levels = hop_levels(piece)
        if not len(levels) or levels.max() < 1e-7:
            continue
        loud = np.flatnonzero(levels > levels.max() * 1e-2)
        piece = piece[loud[0] * HOP : (loud[-1] + 1) * HOP]
        sounding = np.flatnonzero(hop_levels(piece) > levels.max() * 1e-3)
        if len(piece) >= 15 * HOP and np.diff(sounding).max(initial=1) <= 20:
            fade = np.linspace(0.0, 1.0, HOP // 2, dtype=np.float32)
            piece[: HOP // 2] *= fade
            piece[-(HOP // 2) :] *= fade[::-1]
            return piece
    return None


def scene_of(
    first: Recording, second: Recording, store: SampleStore, concept: str, snr_db: float, rng: Rng
) -> Scene | None:
    """Events of the first recording in the second, or None where one of them is silent."""
    count = 10 * SAMPLE_RATE
    target, spans = np.zeros(count, np.float32), Spans()
    at = int(rng.uniform(0.5, 2.5) * SAMPLE_RATE)
    for _ in range(int(rng.integers(1, 4)) if rng.random() > 1 / 7 else 0):
        event = event_of(store[first.file], rng)
        if event is None or at + len(event) > count - SAMPLE_RATE // 2:
            break
        target[at : at + len(event)] = event
        spans.append((at / SAMPLE_RATE, (at + len(event)) / SAMPLE_RATE))
        at += len(event) + int(rng.uniform(0.6, 2.5) * SAMPLE_RATE)
    rest = cut(store[second.file], count, rng)
    band_hz = min(first.native_sr_hz, second.native_sr_hz) / 2
    if band_hz < SAMPLE_RATE / 2 - 3000:
        target, rest = low_pass(target, band_hz), low_pass(rest, band_hz)
    power = float(np.mean(np.square(rest)))
    if power < 1e-9:
        return None
    if spans:
        lengths = sum(end - begin for begin, end in spans) * SAMPLE_RATE
        rest = rest * np.float32(np.sqrt(float(np.sum(np.square(target))) / lengths / power / 10 ** (snr_db / 10)))
    samples = target + rest
    scale = np.float32(10 ** (-23 / 20) / np.sqrt(np.mean(np.square(samples)) + 1e-12))
    return Scene((samples * scale)[None], concept, spans)


def scenes(
    recordings: Sequence[Recording], store: SampleStore, concepts: Sequence[str], per: int, snr_db: float, seed: int
) -> Iterator[Scene]:
    """The same for the same seed; a concept's recordings are used in turn."""
    pool = [one for one in recordings if one.label != NAMELESS]
    by_concept: dict[str, list[Recording]] = defaultdict(list)
    for recording in pool:
        for concept in recording.concepts:
            by_concept[concept].append(recording)
    for concept in concepts:
        for take in range(per if by_concept[concept] else 0):
            rng = np.random.default_rng([seed, take, *concept.encode()])
            first = by_concept[concept][take % len(by_concept[concept])]
            labels = sorted(
                {one.label for one in pool if one.label != first.label and not too_near(one.label, first.label)}
            )
            label = labels[int(rng.integers(len(labels)))]
            others = [one for one in pool if one.label == label]
            made = scene_of(first, others[int(rng.integers(len(others)))], store, concept, snr_db, rng)
            if made is not None:
                yield made


def live_spans(bundle: Bundle, scene: Scene) -> Spans:
    """What the `activity` events of a live session say; one that has not ended ends with the scene."""
    session = Session(bundle, SessionConfig(SAMPLE_RATE, 1, (Target("kept", scene.concept),)))
    batcher = Batcher(bundle.program, lambda: 0.0)
    batcher.add(session)
    end = scene.samples.shape[1]
    for begin in range(0, end, SAMPLE_RATE // 10):
        session.feed_audio(scene.samples[:, begin : begin + SAMPLE_RATE // 10], 0.0)
        batcher.ready(session)
        while batcher.pending:
            batcher.step()
        session.take()
    events = [event for event in session.take_events() if isinstance(event, Activity)]
    session.close()
    begins = [event.at / SAMPLE_RATE for event in events if event.state == "start"]
    ends = [event.at / SAMPLE_RATE for event in events if event.state == "end"]
    return list(zip(begins, [*ends, end / SAMPLE_RATE], strict=False))


def file_spans(bundle: Bundle, scene: Scene) -> Spans:
    """What `predict_spans` says."""
    found = predict_spans(bundle, scene.samples, SAMPLE_RATE, (Target("kept", scene.concept),))["kept"]
    return [(one.start_s, one.end_s) for one in found]


def judged(bundle: Bundle, made: Sequence[Scene]) -> dict[str, Any]:
    """Tallies of all scenes, and F1 of files by concept."""
    files, live = Tally(), Tally()
    by_concept: dict[str, Tally] = defaultdict(Tally)
    for scene in made:
        spans = file_spans(bundle, scene)
        files.count(spans, scene.spans)
        by_concept[scene.concept].count(spans, scene.spans)
        live.count(live_spans(bundle, scene), scene.spans)
    return {
        "files": files.result(),
        "live": live.result(),
        "files_f1_by_concept": {name: tally.result()["f1"] for name, tally in by_concept.items()},
    }


def main() -> None:
    """Run it."""
    asked = options().parse_args()
    bundle = load_bundle(asked.model, provider="cpu")
    concepts = asked.concepts or list(bundle.vocabulary.advertised)
    result: dict[str, Any] = {}
    print("floor: F1 0 for answering nothing; ceiling: 1, the truth itself")
    with recordings_of_a_side(asked) as (recordings, store):
        for snr_db in asked.snr:
            made = list(scenes(recordings, store, concepts, asked.per_concept, snr_db, asked.seed))
            row = judged(bundle, made)
            result[f"{snr_db:g} dB"] = row
            print(f"{snr_db:3g} dB, {len(made)} scenes of {len(concepts)} classes, {asked.side} recordings")
            for name in ("files", "live"):
                print(f"  {name:6s} " + "  ".join(f"{key} {value}" for key, value in row[name].items()), flush=True)
    kept = {"side": asked.side, "within_s": WITHIN_S}
    report.finish(NAME, {**kept, "concepts": concepts, **result}, asked)


if __name__ == "__main__":
    report.run(main)
