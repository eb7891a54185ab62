"""How well does the embedded model isolate speech beside the public streaming denoisers, at what cost and what delay?

Regime: the same mixtures in the same run for everybody: held-out speech (`export.train.mixtures`: speakers and source
recordings that our training never heard) against held-out sounds that count as noise, at 0, 5 and 10 dB, mono, limited
to 8 kHz. Winnow is asked for "speech" through a live session, a hop in, a hop out; every peer runs hop by hop at its
own rate from a fresh state (`benchmarks.peers_streams` says what each is, its licence, age and size; those that are not
there are named in the table). The delay of each output is found by cross-correlation with the target and taken out, and
all is scored in one band, 0 to 8 kHz at 16 kHz (`benchmarks.peers_scores`): SI-SDR, PESQ and STOI, each as what it
gained over the unprocessed mixture. Compute is processor time of the whole process in one hop, one stream alone, every
ONNX graph on one thread; RTF is the median hop over its length (a sum would count other processes' interruptions).
Latency is that delay and the hop that has to be gathered first. Peers take no prompt, so no other sound is asked for.
Their training may have held such voices or sounds: a file of weights does not tell.

Floor and ceiling: the unprocessed mixture gains 0, an ideal ratio mask on Winnow's window what the second row says.

    python -m benchmarks.peers --data FOLDER --peers FOLDER    (FOLDER/dtln/model_1.onnx, model_2.onnx,
                                                                FOLDER/gtcrn/gtcrn_simple.onnx)
    pip install 'winnow-live[peers]'                           the packages among the peers, PESQ and STOI
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import mixtures, report
from benchmarks.peers_picture import draw
from benchmarks.peers_scores import Judge, Score, at_rate, in_band, lag_of, run
from benchmarks.peers_streams import INSTALL, NARROW_HZ, WIDE_HZ, Absent, Peer, Vector, found_peers
from benchmarks.quality import ideal_ratio_mask
from engine.bundle import load_bundle
from engine.spec import AudioSpec
from export.train.concepts import NOISES
from export.train.corpus import SPEECH
from export.train.mixtures import Mixture, held_out_mixtures

NAME = "peers"
LAG_FROM = 8
"""Mixtures that a peer's delay is found from: the cleanest ones."""


def options() -> argparse.ArgumentParser:
    """What can be asked for."""
    parser = mixtures.options(__doc__)
    parser.add_argument("--peers", type=Path, help="folder with dtln/ and gtcrn/")
    parser.add_argument("--prompt", default=SPEECH, help="what Winnow is asked for")
    parser.add_argument("--only", nargs="+", help="only these peers")
    parser.add_argument("--snr", type=float, nargs="+", default=[0.0, 5.0, 10.0], help="dB")
    parser.add_argument("--per-snr", type=int, default=40, help="mixtures at each ratio")
    parser.add_argument("--seed", type=int, default=2, help="2: the mixtures of export.train.evaluate")
    parser.add_argument("--picture", type=Path, help="where to draw (default with --keep: beside the kept result)")
    return parser


@dataclass(frozen=True, slots=True)
class Case:
    """One mixture `[n]` at 48 kHz, what is wanted of it at 48 and at 16 kHz, and its scores before and at best."""

    samples: Vector
    target: Vector
    narrow_target: Vector
    snr_db: float
    floor: Score
    ceiling: Score


def case_of(mixture: Mixture, audio: AudioSpec, judge: Judge) -> Case:
    """A mixture with its floor and its ceiling."""
    target = at_rate(mixture.target, NARROW_HZ)
    ideal = ideal_ratio_mask(audio, mixture.target[None], mixture.rest[None])[0]
    floor, ceiling = (judge.score(at_rate(samples, NARROW_HZ), target) for samples in (mixture.samples, ideal))
    return Case(mixture.samples, mixture.target, target, mixture.snr_db, floor, ceiling)


def measured(peer: Peer, cases: Sequence[Case], judge: Judge) -> dict[str, Any]:
    """One peer over all cases: gains at each ratio, cost of a hop, delay."""
    cleanest = sorted(cases, key=lambda case: -case.snr_db)[:LAG_FROM]
    heard = [run(peer, case.samples) for case in cleanest]
    wanted = [at_rate(case.target, peer.rate_hz) for case in cleanest]
    lag = lag_of([found.samples for found in heard], wanted, peer.rate_hz)
    scores, took = [], []
    for case in cases:
        found = run(peer, case.samples)
        estimate = in_band(found.samples, lag, peer.rate_hz, len(case.narrow_target))
        scores.append(judge.score(estimate, case.narrow_target))
        took.append(found.hop_s)
    hop_s = peer.hop / peer.rate_hz
    seconds = np.concatenate(took)
    step_s = hop_s if peer.hop else len(cases[0].samples) / WIDE_HZ
    return {
        "name": peer.name,
        "origin": peer.origin,
        "rate_hz": peer.rate_hz,
        "hop_ms": round(hop_s * 1e3, 2) if peer.hop else None,
        "lag_ms": round(lag / peer.rate_hz * 1e3, 2),
        "latency_ms": round((lag / peer.rate_hz + hop_s) * 1e3, 2) if peer.hop else None,
        "compute_ms_per_hop": report.percentiles(seconds) if peer.hop else {},
        "rtf": round(float(np.median(seconds)) / step_s, 4),
        "gain": gains(scores, [case.floor for case in cases], [case.snr_db for case in cases]),
    }


def gains(after: Sequence[Score], before: Sequence[Score], snrs_db: Sequence[float]) -> dict[str, Any]:
    """Per ratio and over all: mean, standard error and median of what each measure gained."""
    rows: dict[str, Any] = {}
    chosen = {f"{snr_db:+g} dB": [value == snr_db for value in snrs_db] for snr_db in sorted(set(snrs_db))}
    for name, taken in {**chosen, "all": [True] * len(snrs_db)}.items():
        pairs = [pair for pair, wanted in zip(zip(after, before, strict=True), taken, strict=True) if wanted]
        rows[name] = {
            "si_sdr_db": spread([a.si_sdr_db - b.si_sdr_db for a, b in pairs], 2),
            "pesq": spread([a.pesq - b.pesq for a, b in pairs if a.pesq is not None and b.pesq is not None], 3),
            "stoi": spread([a.stoi - b.stoi for a, b in pairs if a.stoi is not None and b.stoi is not None], 4),
        }
    return rows


def spread(values: Sequence[float], digits: int) -> dict[str, float] | None:
    """Mean, its standard error, median and count; None of nothing."""
    if not values:
        return None
    error = float(np.std(values, ddof=1) / len(values) ** 0.5) if len(values) > 1 else 0.0
    return {
        "mean": round(float(np.mean(values)), digits),
        "standard_error": round(error, digits),
        "median": round(float(np.median(values)), digits),
        "count": len(values),
    }


def table(result: dict[str, Any]) -> Iterable[str]:
    """The result as lines for a person: floor, ceiling, everybody best first, those that are absent last."""
    ratios = [name for name in result["ceiling"] if name != "all"]
    head = f"{'SI-SDR gained, dB':^{8 * len(ratios) + 8}s}"
    yield f"{'':14s}{head}    PESQ    STOI   hop  compute/hop, ms     RTF  latency"
    heads = "".join(f"{name:>8s}" for name in (*ratios, "mean"))
    yield f"{'':14s}{heads}  gained  gained    ms     p50     p99                ms"
    yield f"{'unprocessed':14s}{_cells(result['unprocessed'], ratios)}   (its scores; below: what is gained)"
    yield f"{'ideal mask':14s}{_cells(result['ceiling'], ratios)}   (ceiling: ideal ratio mask on Winnow's window)"
    for row in sorted(result["peers"], key=lambda row: -row["gain"]["all"]["si_sdr_db"]["mean"]):
        cost = row["compute_ms_per_hop"]
        live = f"{row['hop_ms']:6.1f} {cost['p50']:7.3f} {cost['p99']:7.3f}" if cost else f"{'whole recording':>22s}"
        late = f"{row['latency_ms']:8.1f}" if cost else f"{'–':>8s}"
        yield f"{row['name']:14s}{_cells(row['gain'], ratios)}{live} {row['rtf']:7.4f} {late}"
    for row in result["absent"]:
        yield f"{row['name']:14s}absent: {row['reason']}"


def _cells(rows: dict[str, Any], ratios: Sequence[str]) -> str:
    found = [f"{rows[name]['si_sdr_db']['mean']:8.2f}" for name in (*ratios, "all")]
    found += [f"{rows['all'][key]['mean']:8.3f}" if rows["all"][key] else f"{'–':>8s}" for key in ("pesq", "stoi")]
    return "".join(found)


def arranged_cases(asked: argparse.Namespace, audio: AudioSpec, judge: Judge) -> list[Case]:
    """Every mixture of the run.

    Raises:
        SystemExit: the folder gives none.
    """
    with mixtures.held_out_recordings(asked) as (held_out, store):
        cases = [
            case_of(mixture, audio, judge)
            for snr_db in asked.snr
            for mixture in held_out_mixtures(
                held_out, store, concepts=[SPEECH], per_concept=asked.per_snr, seconds=asked.seconds,
                snr_db=(snr_db, snr_db), others=NOISES, seed=asked.seed,
            )
        ]  # fmt: skip
    if not cases:
        raise SystemExit(
            f"{asked.data} holds no speech, or nothing that counts as noise, among its held-out recordings"
        )
    return cases


def result_of(
    asked: argparse.Namespace, model: str, cases: Sequence[Case], rows: list[dict[str, Any]], absent: Sequence[Absent]
) -> dict[str, Any]:
    """The whole run as one object."""
    floors, snrs_db = [case.floor for case in cases], [case.snr_db for case in cases]
    return {
        "model": model,
        "prompt": asked.prompt,
        "mixtures": len(cases),
        "seconds": asked.seconds,
        "seed": asked.seed,
        "band_hz": [0, NARROW_HZ // 2],
        "unprocessed": gains(floors, [Score(0.0, 0.0, 0.0)] * len(cases), snrs_db),
        "ceiling": gains([case.ceiling for case in cases], floors, snrs_db),
        "peers": rows,
        "absent": [{"name": peer.name, "reason": peer.reason} for peer in absent],
    }


def main() -> None:
    """Run it."""
    asked = options().parse_args()
    bundle, judge = load_bundle(asked.model), Judge()
    cases = arranged_cases(asked, bundle.spec.audio, judge)
    print(f"{len(cases)} mixtures of {asked.seconds:g} s, scored at {NARROW_HZ} Hz (0–8 kHz)", flush=True)
    rows, absent = [], [Absent(name, INSTALL) for name in judge.absent]
    for peer in found_peers(bundle, asked.prompt, asked.peers):
        if asked.only and peer.name not in asked.only:
            continue
        if isinstance(peer, Absent):
            absent.append(peer)
            continue
        rows.append(measured(peer, cases, judge))
        print(f"  {peer.name}: {peer.origin}, late by {rows[-1]['lag_ms']} ms", flush=True)
    result = result_of(asked, bundle.spec.name, cases, rows, absent)
    print("\n".join(table(result)))
    kept = report.RESULTS / f"{NAME}{asked.label and '-' + asked.label}.png" if asked.keep else None
    if picture := asked.picture or kept:
        draw(result, picture)
        print(f"drawn: {picture}")
    report.finish(NAME, result, asked)


if __name__ == "__main__":
    report.run(main)
