"""The result of `benchmarks.solver_curve` as one picture: nearness to the exact path over evaluations, and over time.

Colours are the Okabe-Ito palette, which the colour-blind can tell apart. Where the modes sit is drawn over all fields
alike, flattering or not.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

COLOURS = {"euler": "#D55E00", "midpoint": "#0072B2"}
MODE_COLOUR = "#555555"


def draw(result: dict[str, Any], path: Path) -> None:
    """Draw into `path` (PNG, below 150 kB).

    Raises:
        OSError: the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # slow to import, and needed here alone
    from matplotlib.figure import Figure

    model, modes = result["random_weights"], result["modes"]
    figure = Figure(figsize=(13, 4.4), layout="constrained")
    FigureCanvasAgg(figure)
    left, middle, right = figure.subplots(1, 3)
    _spread(left, result["analytic"], "db")
    _lines(middle, model["curve"])
    left.set_title(f"exact fields of {len(result['analytic'])} Gaussian mixtures, and their median", fontsize=8)
    middle.set_title(f"random weights ({model['name']}): order, not quality", fontsize=8)
    for axes in (left, middle):
        _evaluations(axes, modes)
        axes.set_ylabel("SI-SDR to the exact path, dB", fontsize=9)
    _against_time(right, result)
    figure.savefig(path, dpi=85)


def _counts(rows: dict[str, Any]) -> list[int]:
    return sorted(int(count) for count in rows)


def _spread(axes: Any, fields: dict[str, Any], key: str) -> None:
    """Every field as a thin line, the median as a thick one."""
    for solver, colour in COLOURS.items():
        curves = [field["curve"][solver] for field in fields.values()]
        counts = _counts(curves[0])
        heights = np.array([[rows[str(count)][key] for count in counts] for rows in curves])
        axes.plot(counts, heights.T, color=colour, lw=0.6, alpha=0.5)
        axes.plot(counts, np.median(heights, axis=0), "o-", color=colour, lw=2, ms=4, label=solver)


def _lines(axes: Any, curve: dict[str, Any]) -> None:
    for solver, colour in COLOURS.items():
        counts = _counts(curve[solver])
        for key, style, what in (("db", "o-", "latents"), ("sound_db", "x--", "decoded sound")):
            heights = [curve[solver][str(count)][key] for count in counts]
            axes.plot(counts, heights, style, color=colour, lw=1.4, ms=4, label=f"{solver}, {what}")


def _evaluations(axes: Any, modes: dict[str, Any]) -> None:
    """The axis of evaluations, and a line where each mode stands on it."""
    axes.set_xscale("log", base=2)
    ticks = [2**power for power in range(8) if axes.get_xlim()[0] <= 2**power <= axes.get_xlim()[1]]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    for name, row in modes.items():
        axes.axvline(row["evaluations"], color=MODE_COLOUR, lw=0.8, ls="dotted")
        axes.annotate(name, (row["evaluations"], axes.get_ylim()[1]), rotation=90, fontsize=7, color=MODE_COLOUR,
                      textcoords="offset points", xytext=(-8, -4), va="top")  # fmt: skip
    axes.set_xlabel("evaluations of the field", fontsize=9)
    axes.legend(fontsize=7, frameon=False, loc="lower right")


def _against_time(axes: Any, result: dict[str, Any]) -> None:
    """The midpoint rule's median over the analytic fields against what a mode's window costs with so many evaluations:
    measured here, or in FLOP where nothing was timed. The mode's own number is the large dot, with worst and best."""
    timed = bool(result["latency"])
    for (name, row), marker in zip(result["modes"].items(), "os^", strict=False):
        if timed and name not in result["latency"]:
            continue
        curves = [field["curve"]["midpoint"] for field in result["analytic"].values()]
        counts = _counts(curves[0])
        each = result["floor"][name]["gflop_per_evaluation"]["small"]
        costs = {n: result["latency"][name]["ms_by_evaluations"][str(n)] if timed else n * each for n in counts}
        heights = [float(np.median([rows[str(n)]["db"] for rows in curves])) for n in counts]
        line = axes.plot([costs[n] for n in counts], heights, f"{marker}-", lw=1, ms=4, label=f"windows of {name}")
        if row["analytic_db"] is not None and row["evaluations"] in costs:
            low, median, high = row["analytic_db"]
            axes.errorbar([costs[row["evaluations"]]], [median], yerr=[[median - low], [high - median]], fmt=marker,
                          color=line[0].get_color(), ms=10, capsize=3, lw=1)  # fmt: skip
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    ticks = [step * 10.0**power for power in range(8) for step in (1, 2, 5)]
    ticks = [tick for tick in ticks if low <= tick <= high]
    axes.set_xticks(ticks, [f"{tick:,.0f}" for tick in ticks])
    axes.set_xticks([], minor=True)
    model = result["random_weights"]["name"]
    axes.set_xlabel(f"ms for a window of {model} on this CPU" if timed else "GFLOP for a window of small", fontsize=9)
    axes.set_ylabel("SI-SDR to the exact path, dB", fontsize=9)
    axes.set_title("midpoint over time; the modes, with worst and best field", fontsize=8)
    axes.legend(fontsize=7, frameon=False, loc="upper left")
