"""The result of `benchmarks.peers` as one picture: what each gained at each ratio, and against its cost and its delay.

Colours are the Okabe-Ito palette, which the colour-blind can tell apart; ours is the one in black. Nothing is left out
where we lose: the axes are the same for all, and the ideal mask stands as a line above everybody.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

OURS = "Winnow"
CROWDED_DB = 2.0
"""So near below another dot, a name is written under its own."""

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9", "#999999")


def draw(result: dict[str, Any], path: Path) -> None:
    """Draw into `path` (PNG, below 150 kB).

    Raises:
        OSError: the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # slow to import, and needed here alone
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.5, 7.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, 2)
    rows = sorted(result["peers"], key=lambda row: -row["gain"]["all"]["si_sdr_db"]["mean"])
    others = [row["name"] for row in rows if row["name"] != OURS]
    colour = {OURS: "black"} | dict(zip(others, COLOURS * 3, strict=False))
    _bars(axes[0][0], result, rows, colour, "si_sdr_db", "SI-SDR gained, dB")
    _bars(axes[0][1], result, rows, colour, "pesq", "PESQ (wide band) gained")
    _against(axes[1][0], rows, colour, "rtf", 1e3, "processor time for a second of sound, ms (one thread)", log=True)
    _against(axes[1][1], rows, colour, "latency_ms", 1.0, "latency: hop and measured delay, ms")
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 8), frameon=False, fontsize=9)
    absent = ", ".join(row["name"] for row in result["absent"])
    figure.suptitle(
        f"“{result['prompt']}” in noise: {result['mixtures']} mixtures of {result['seconds']:g} s, held out from our"
        f" training, 0–8 kHz, model {result['model']}" + (f"; absent: {absent}" if absent else ""),
        fontsize=11,
    )
    figure.savefig(path, dpi=100)


def _bars(
    axes: Any, result: dict[str, Any], rows: list[dict[str, Any]], colour: dict[str, str], key: str, title: str
) -> None:
    """Groups of bars, one group a ratio; the ideal mask as a mark over each group."""
    ratios = [name for name in result["ceiling"] if name != "all"]
    width = 0.8 / max(len(rows), 1)
    for place, row in enumerate(rows):
        found = [row["gain"][name][key] for name in ratios]
        at = [index - 0.4 + (place + 0.5) * width for index, value in enumerate(found) if value]
        axes.bar(
            at, [value["mean"] for value in found if value], width * 0.9, color=colour[row["name"]], label=row["name"],
            yerr=[value["standard_error"] for value in found if value], error_kw={"lw": 0.7, "ecolor": "#555555"},
        )  # fmt: skip
    for index, name in enumerate(ratios):
        if best := result["ceiling"][name][key]:
            axes.hlines(best["mean"], index - 0.4, index + 0.4, colors="#555555", linestyles="dotted",
                        label="ideal mask" if index == 0 and key == "si_sdr_db" else None)  # fmt: skip
    axes.axhline(0, color="black", lw=0.6)
    axes.set_xticks(range(len(ratios)), [f"{name} in" for name in ratios])
    axes.set_title(title, fontsize=10)


def _against(
    axes: Any, rows: list[dict[str, Any]], colour: dict[str, str], key: str, scale: float, title: str, log: bool = False
) -> None:
    """Mean gain in SI-SDR against another number; who has none (no stream, no latency) is not on it."""
    found = [(row[key] * scale, row["gain"]["all"]["si_sdr_db"]["mean"], row["name"]) for row in rows if row[key]]
    for at, height, name in found:
        axes.plot(at, height, "o", color=colour[name], ms=9 if name == OURS else 7)
        crowded = any(0.95 < other / at < 1.05 and 0 < higher - height < CROWDED_DB for other, higher, _ in found)
        beside = (7, -11) if crowded else (7, 4)
        axes.annotate(name, (at, height), textcoords="offset points", xytext=beside, fontsize=8)
    axes.axhline(0, color="black", lw=0.6)
    axes.margins(x=0.2, y=0.12)
    if log:
        axes.set_xscale("log")
        low, high = axes.get_xlim()
        ticks = [step * 10.0**power for power in range(-3, 5) for step in (1, 2, 5)]
        ticks = [tick for tick in ticks if low <= tick <= high]
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.set_xticks([], minor=True)
    axes.set_xlabel(title, fontsize=9)
    axes.set_ylabel("SI-SDR gained, dB (mean)", fontsize=9)
