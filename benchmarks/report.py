"""How every benchmark speaks: options, percentiles, the machine it ran on, and one JSON object as its last line.

A benchmark says first what cannot be beaten (the floor that follows from lengths and clocks), then what it measured.
Means hide the one late hop in a thousand that a listener hears, so only percentiles are printed. `--keep` writes the
last line into `benchmarks/results/`, from where the README takes its numbers.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from engine.bundle import find_bundle
from engine.spec import load_spec
from export import command_line

RESULTS = Path(__file__).parent / "results"


def options(doc: str | None) -> argparse.ArgumentParser:
    """A parser whose `--help` is the benchmark's docstring, with `--keep` in it."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", action="store_true", help="write the last line into benchmarks/results/")
    parser.add_argument("--label", default="", help="added to the name of the kept result")
    return parser


def run(main: Callable[[], int | None]) -> None:
    """Call a benchmark's `main` and end the process; what stops it is one line, status 2 for a flag or folder that
    cannot be."""
    sys.exit(command_line.answer(Path(sys.argv[0]).stem, main, mark=""))


def require_torch() -> None:
    """Where a benchmark is entered that measures torch's models: without torch it ends with one line, status 2."""
    command_line.require_torch(Path(sys.argv[0]).stem, "sam-audio", mark="")


def percentiles(seconds: ArrayLike, scale: float = 1e3, digits: int = 3) -> dict[str, float]:
    """p50, p95, p99 and the maximum of durations in seconds, times `scale` (default: milliseconds)."""
    values = np.asarray(seconds, np.float64)
    if not values.size:
        return {}
    cuts = [*np.percentile(values, (50, 95, 99)), values.max()]
    return {
        name: round(float(cut) * scale, digits) for name, cut in zip(("p50", "p95", "p99", "max"), cuts, strict=True)
    }


def shown(values: Mapping[str, float], unit: str) -> str:
    """Percentiles as a line for a person."""
    return "  ".join(f"{name} {value:g}" for name, value in values.items()) + f" {unit}"


def machine() -> dict[str, Any]:
    """What a number depends on: processor, cores, load by others, versions."""
    model = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [line for line in info.read_text(encoding="utf-8").splitlines() if line.startswith("model name")]
        model = names[0].split(":", 1)[1].strip() if names else model
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "load_average_1min": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        **{name: _version(name) for name in ("numpy", "scipy", "onnxruntime", "uvicorn", "websockets")},
    }


def bundle_of(model: str) -> str:
    """Name and version of the bundle that was measured: a result tells nothing of the ones that follow.

    Raises:
        BundleError: `model` is none.
    """
    spec = load_spec(find_bundle(model))
    return f"{spec.name} {spec.version}"


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def finish(name: str, result: Mapping[str, Any], asked: argparse.Namespace) -> None:
    """Print the result as the last line, and keep it where asked."""
    command = " ".join(["python -m", f"benchmarks.{name}", *sys.argv[1:]])
    record = {
        "benchmark": name,
        "command": command,
        "date": time.strftime("%Y-%m-%d %H:%M", time.gmtime()),
        "machine": machine(),
        **({"bundle": bundle_of(asked.model)} if "model" in asked else {}),
        **result,
    }
    line = json.dumps(record, ensure_ascii=False)
    if asked.keep:
        RESULTS.mkdir(exist_ok=True)
        label = f"-{asked.label}" if asked.label else ""
        (RESULTS / f"{name}{label}.json").write_text(line + "\n", encoding="utf-8")
    print(line, flush=True)
