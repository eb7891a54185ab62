"""How near does a solver of few evaluations come to the end of its path, and what does each evaluation cost?

    python -m benchmarks.solver_curve                            # the analytic fields and the tests' tiny bundle
    python -m benchmarks.solver_curve --model BUNDLE --windows 1 --reference 128    # an exported one's instead

Regime: the engine's own solver (`engine/programs/flow_solver.py`) with Euler's rule and the midpoint rule, 1 to 64
evaluations, against the same path from the same noise in very fine steps; what lies between is the solver's error
alone, in dB of SI-SDR. Two kinds of field:

*analytic* (`gaussian_flow.py`): the exact field of a perfectly trained model whose data are Gaussians, 256 channels a
frame as SAM Audio's latents have; one answer, or 4 or 32 between which a path must decide. Also counted is the share of
frames that end at another answer than the exact path. It shows how few steps go wrong on a field of the kind that
training makes; it is not SAM Audio's field.

*random weights*: a bundle without trained weights through all of the engine (latents, and the sound decoded from them).
Its field is smooth for no good reason, so this says only that the solver converges at its order; **nothing about the
quality of real weights**, which were never at hand.

Latency: milliseconds of a window of each mode of the bundle, the second in a row as in a stream (one thread, this
machine), and of an evaluation in it. Floor, printed first: what an evaluation of a mode's window costs at the released
sizes in FLOP, and, for a single Gaussian, the error that follows from the solvers' formulas.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any, TypeVar

from benchmarks import report

if __name__ == "__main__":
    report.require_torch()

import numpy as np
from numpy.typing import NDArray

from benchmarks.gaussian_flow import GaussianFlow, gain_of_one
from benchmarks.sam_audio_sizes import RELEASED, config_of, floor_of
from engine.bundle import Bundle, load_bundle
from engine.frames import Work
from engine.programs.flow_audio import FlowProgram
from engine.programs.flow_field import FlowField, Row
from engine.programs.flow_noise import frame_noise
from engine.programs.flow_solver import EVALUATIONS
from engine.score import si_sdr_db
from engine.spec import FlowMode, ModelSpec
from export.sam_audio.modes import MODES

NAME = "solver_curve"
TINY = Path(__file__).parents[1] / "tests" / "data" / "sam_audio" / "bundle"
PROMPT = "man speaking"
TOKENS = 8
CHANNELS, FRAMES, WINDOWS = 256, 125, 4
"""Of the analytic fields."""
FIELDS = {
    "one answer, width 0.3": (1, 0.0, 0.3),
    "one answer, width 0.05": (1, 0.0, 0.05),
    **{
        f"{clusters} answers {distance:g} apart, width {width:g}": (clusters, distance, width)
        for clusters in (4, 32)
        for distance in (6.0, 22.6)
        for width in (0.3, 0.05)
    },
}
"""Name → clusters, distance (22.6 = √512: independent answers of unit power), width; see `GaussianFlow.drawn`."""

Out = TypeVar("Out")
Curve = dict[str, dict[str, Any]]
"""Solver → evaluations → what was found there."""


def options() -> argparse.ArgumentParser:
    """What can be asked for."""
    parser = report.options(__doc__)
    parser.add_argument("--model", default=str(TINY), help="folder of a bundle with random weights")
    parser.add_argument("--evaluations", default="1,2,4,8,16,32,64")
    parser.add_argument("--frames", type=int, default=25, help="length of the bundle's window for the errors")
    parser.add_argument("--windows", type=int, default=4, help="windows of the bundle, all in one batch")
    parser.add_argument("--reference", type=int, default=256, help="midpoint evaluations of the bundle's reference")
    parser.add_argument("--exact", type=int, default=1024, help="the same of the analytic fields, in float64")
    parser.add_argument("--timed", default=",".join(MODES), help="modes whose windows are timed; '' for none")
    return parser


def settings(evaluations: list[int]) -> list[tuple[str, int, int]]:
    """Solver, evaluations, steps: all that come out even."""
    return [(name, n, n // per) for name, per in EVALUATIONS.items() for n in evaluations if n % per == 0]


def floors() -> dict[str, Any]:
    """By mode: frames of a window, evaluations, and GFLOP of one and of all at each released size."""
    found = {}
    for name, mode in MODES.items():
        frames = round(25 * sum(mode[f"{part}_s"] for part in ("context", "hop", "crossfade", "lookahead")))
        count = mode["steps"] * EVALUATIONS[mode["solver"]]
        gflop = {size: floor_of(config_of(size), 1, frames, TOKENS, 4).flops / 1e9 for size in RELEASED}
        found[name] = {
            "solver": mode["solver"], "evaluations": count, "frames": frames, "hop_s": mode["hop_s"],
            "gflop_per_evaluation": {size: round(one, 1) for size, one in gflop.items()},
            "gflop_per_window": {size: round(count * one, 1) for size, one in gflop.items()},
        }  # fmt: skip
    return found


def single_gaussian_db(method: str, steps: int, width: float) -> float:
    """What the formulas predict of a single Gaussian with a mean of unit power: the error in the width, over it all."""
    wrong = gain_of_one(method, steps, width) - width
    return float(10 * np.log10((1 + width**2) / wrong**2))


def analytic(name: str, evaluations: list[int], windows: int, exact: int) -> dict[str, Any]:
    """One analytic field: dB of each window's latents to the exact path's, and frames that went to another answer."""
    flow = GaussianFlow.drawn(*FIELDS[name], CHANNELS)
    start = np.concatenate([frame_noise(seed, 0, FRAMES, CHANNELS) for seed in range(windows)])
    true = flow.solved("midpoint", exact // 2, start.astype(np.float64))
    coarse = flow.solved("midpoint", exact // 4, start.astype(np.float64))
    ends = flow.nearest(true)
    curve: Curve = {solver: {} for solver in EVALUATIONS}
    for solver, count, steps in settings(evaluations):
        got = flow.solved(solver, steps, start)
        curve[solver][str(count)] = {
            "db": _median_db(got, true, windows),
            "elsewhere": round(float(np.mean(flow.nearest(got) != ends)), 4),
        }
    found: dict[str, Any] = {"curve": curve, "reference_db": _median_db(coarse, true, windows)}
    if len(flow.means) == 1:
        found["formula_db"] = _median_db(true, flow.end_of_one(start), windows)
    return found


def _median_db(got: NDArray[np.floating], true: NDArray[np.floating], windows: int) -> float:
    pairs = zip(np.split(got, windows), np.split(true, windows), strict=True)
    return round(float(np.median([si_sdr_db(one, other) for one, other in pairs])), 2)


def done(calls: Generator[Any, None, Out]) -> Out:
    """What graph calls come to, without a turn for anybody else."""
    while True:
        try:
            next(calls)
        except StopIteration as end:
            out: Out = end.value
            return out


def of_bundle(bundle: Bundle, evaluations: list[int], asked: argparse.Namespace) -> dict[str, Any]:
    """A bundle's field: dB of latents and of the decoded sound to the reference's, a window after the other."""
    program, flow = bundle.program, bundle.spec.flow
    assert isinstance(program, FlowProgram), "a bundle of this program"
    assert flow is not None, "it has sizes"
    rng = np.random.default_rng(0)
    time_s = np.arange(asked.frames * flow.frame) / flow.sample_rate
    sounds = [
        (0.2 * np.sin(2 * np.pi * 220 * (number + 1) * time_s) + 0.05 * rng.standard_normal(len(time_s))).astype("f4")
        for number in range(asked.windows)
    ]
    mixes = done(program.field.encode(sounds))

    def solved(solver: Any, steps: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        mode = FlowMode(context_s=0, hop_s=1, lookahead_s=0, solver=solver, steps=steps)
        field = FlowField(bundle.runtime, flow, program.phrases, mode)  # type: ignore[arg-type]
        rows = [Row(PROMPT, 1000 * number, mix) for number, mix in enumerate(mixes)]
        latents = done(field.solve(rows))
        return np.stack(latents), np.stack(done(field.decode([one[:, : flow.latent] for one in latents])))

    true = solved("midpoint", asked.reference // 2)
    curve: Curve = {solver: {} for solver in EVALUATIONS}
    for solver, count, steps in settings(evaluations):
        latents, sound = solved(solver, steps)
        row = {"db": _median_db(latents, true[0], len(mixes)), "sound_db": _median_db(sound, true[1], len(mixes))}
        curve[solver][str(count)] = row
        print(f"  {bundle.spec.name} {solver:8s} {count:3d} evaluations: {row}", flush=True)
    return {"name": bundle.spec.name, "frames": asked.frames, "reference": asked.reference, "curve": curve}


def latencies(bundle: Bundle, modes: list[str], evaluations: list[int]) -> dict[str, dict[str, Any]]:
    """By mode: milliseconds of a stream's second window, of one evaluation in it (the median), of all else (encoder,
    decoder, watermark, joining), and of a window with other numbers of evaluations, which is the sum of these."""
    found = {}
    for name in modes:
        spec: ModelSpec = bundle.spec.in_mode(name)
        assert spec.flow is not None, "it has modes"
        mode = spec.flow.modes[name]
        count = mode.steps * EVALUATIONS[mode.solver]
        program = FlowProgram(spec, bundle.folder, bundle.runtime, time.perf_counter)  # type: ignore[arg-type]
        calls_ms = window_calls_ms(program)
        # one call encodes what is new; then the evaluations, as the prompt's keys and values are kept by now
        each_ms = float(np.median(calls_ms[1 : 1 + count]))
        rest_ms = sum(calls_ms[:1]) + sum(calls_ms[1 + count :])
        found[name] = {
            "ms_per_window": round(sum(calls_ms), 1),
            "ms_per_evaluation": round(each_ms, 2),
            "ms_of_all_else": round(rest_ms, 1),
            "ms_by_evaluations": {str(n): round(rest_ms + n * each_ms, 1) for n in evaluations},
            "real_time_factor": round(sum(calls_ms) / (1e3 * spec.audio.hop_s), 3),
        }
        print(f"  {bundle.spec.name} {name}: {found[name]}", flush=True)
    return found


def window_calls_ms(program: FlowProgram) -> list[float]:
    """Milliseconds of each graph call of a stream's second window, and of what follows the last, in order."""
    audio = program.spec.audio
    slot = program.open_slot()
    program.condition(slot, PROMPT)
    noise = 0.1 * np.random.default_rng(0).standard_normal((1, audio.window + audio.hop), dtype=np.float32)
    for number in range(2):
        calls_ms = []
        heard = noise[:, number * audio.hop : number * audio.hop + audio.window]
        begin = time.perf_counter()
        for _ in program.step([Work((slot,), audio.history + number * audio.hop, heard, 1, (0,))]):
            calls_ms.append(1e3 * (time.perf_counter() - begin))
            begin = time.perf_counter()
    return calls_ms


def orders(curve: Curve) -> dict[str, float]:
    """The order at which each solver converges: bits of error that a doubling of evaluations gains, the median over
    those doublings that end between 15 and 80 dB (before that it is not small, after that float32 shows)."""
    found = {}
    for solver, rows in curve.items():
        counts = sorted(map(int, rows))
        gains = [
            (rows[str(n)]["db"] - rows[str(n // 2)]["db"]) / (20 * np.log10(2))
            for n in counts
            if n // 2 in counts and rows[str(n // 2)]["db"] > 15 and rows[str(n)]["db"] < 80
        ]
        if gains:
            found[solver] = round(float(np.median(gains)), 2)
    return found


def where_modes_sit(fields: dict[str, Any], model: dict[str, Any], latency: dict[str, Any]) -> dict[str, Any]:
    """By mode: the lowest, median and highest dB over the analytic fields, and the bundle's; None if not measured."""
    found = {}
    for name, mode in MODES.items():
        count = str(mode["steps"] * EVALUATIONS[mode["solver"]])
        rows = [field["curve"][mode["solver"]].get(count) for field in fields.values()]
        known = [row["db"] for row in rows if row]
        own = model["curve"][mode["solver"]].get(count)
        found[name] = {
            "solver": mode["solver"],
            "evaluations": int(count),
            "analytic_db": [round(float(f(known)), 1) for f in (np.min, np.median, np.max)] if known else None,
            "elsewhere": max((row["elsewhere"] for row in rows if row), default=None),
            "random_weights_db": own["db"] if own else None,
            "ms_per_window": latency[name]["ms_per_window"] if name in latency else None,
        }
    return found


def in_words(sits: dict[str, Any], model: str) -> str:
    """One line for a person: which mode sits where."""
    said = []
    for name, row in sits.items():
        low, middle, high = row["analytic_db"] or (float("nan"),) * 3
        ms = "" if row["ms_per_window"] is None else f", {row['ms_per_window']:g} ms a window of {model} here"
        said.append(
            f"{name} ({row['solver']}, {row['evaluations']} evaluations) {middle:g} dB ({low:g} … {high:g}){ms}"
        )
    return "modes on the analytic fields, median (worst … best): " + "; ".join(said)


def main() -> int:
    """Run it."""
    asked = options().parse_args()
    evaluations = [int(count) for count in asked.evaluations.split(",")]
    floor = floors()
    for name, row in floor.items():
        print(f"floor {name}: {row}")
    predicted = {
        f"width {width:g}": {
            solver: {str(n): round(single_gaussian_db(solver, steps, width), 1) for s, n, steps in settings(evaluations)
                     if s == solver}
            for solver in EVALUATIONS
        }
        for width in (0.3, 0.05)
    }  # fmt: skip
    print(f"floor, one answer: {predicted}")
    fields = {}
    for name in FIELDS:
        fields[name] = analytic(name, evaluations, WINDOWS, asked.exact)
        for solver, rows in fields[name]["curve"].items():
            print(f"{name}, {solver}, dB: " + ", ".join(f"{n}: {row['db']:.1f}" for n, row in rows.items()))
    bundle = load_bundle(asked.model, provider="cpu")
    print(f"random weights ({bundle.spec.name}): the solver's order alone, nothing about the quality of real weights")
    model = of_bundle(bundle, evaluations, asked)
    model["order"] = orders(model["curve"])
    latency = latencies(bundle, [name for name in asked.timed.split(",") if name], evaluations)
    sits = where_modes_sit(fields, model, latency)
    print(in_words(sits, bundle.spec.name))
    result = {
        "floor": floor, "predicted_one_answer": predicted, "analytic": fields,
        "random_weights": model, "latency": latency, "modes": sits,
    }  # fmt: skip
    if asked.keep:
        from benchmarks.solver_curve_picture import draw  # matplotlib, which only a picture needs

        draw(result, report.RESULTS / f"{NAME}{'-' + asked.label if asked.label else ''}.png")
    report.finish(NAME, result, asked)
    return 0


if __name__ == "__main__":
    report.run(main)
