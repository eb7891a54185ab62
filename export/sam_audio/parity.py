"""Does a graph compute what the torch model computes? Measured for several sizes of every free axis.

Two float32 computations of one thing differ by their roundings, and how much of that reaches the output the weights
decide: a decoder that drives its last tanh far up magnifies it beyond any fixed bound. So a graph that is above the
bounds is held to the same computation in float64: torch's own float32 must be off by as much. What a graph computes
wrongly is no rounding, and does not pass so.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import onnxruntime as ort
import torch
from numpy.typing import NDArray

from export.parity import ParityError
from export.sam_audio.graphs import Graph, Sizes
from export.sam_audio.onnx_file import MADE_WITH
from export.sam_audio.rounding import runnable

Arrays = dict[str, NDArray[np.generic]]

CHECKED_WITH = (MADE_WITH, Sizes(1, 12, 40, 2), Sizes(3, 1, 1, 4), Sizes(1, 33, 2, 1))
TOLERANCE = 1e-5
"""Of float32: largest difference, as a share of the peak where that is above 1."""
FLOAT32_DB = 90.0
"""Of float32: signal to noise, power over power, so that quiet outputs are held to their own level too."""
ROUNDING = 4.0
"""How many times torch's own error a float32 graph's may be where it is above these two."""
SNR_DB, LEAST_DB = 30.0, 60.0
"""Signal to noise of 16 bits, and of float32 whatever torch's own error is."""


class Case(NamedTuple):
    """Inputs, and the float32 torch model's outputs, in order."""

    feeds: Arrays
    wanted: list[NDArray[np.float32]]


def cases_of(graph: Graph) -> list[Case]:
    """What the part makes of each example: to be asked for before the part is narrowed."""
    found = []
    for seed, sizes in enumerate((*CHECKED_WITH, *graph.in_life)):
        example = graph.example(sizes, torch.Generator().manual_seed(seed))
        with torch.no_grad():
            made = graph.part(*example.values())
        outputs = made if isinstance(made, tuple) else (made,)
        found.append(Case({name: x.numpy() for name, x in example.items()}, [x.numpy() for x in outputs]))
    return found


def open_graph(path: Path, precision: torch.dtype = torch.float32) -> ort.InferenceSession:
    """On the CPU, torch's number of threads; a bfloat16 graph as `rounding.runnable` makes it."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    if precision != torch.bfloat16:
        return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL  # nothing may undo the rounding
    # beside the graph, where there is room for as much again (`/tmp` may be memory); `Work` removes what a kill leaves
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        copy = Path(folder) / path.name
        onnx.save(runnable(path), copy, save_as_external_data=True, location="weights")
        return ort.InferenceSession(str(copy), options, providers=["CPUExecutionProvider"])


def check(graph: Graph, path: Path, cases: list[Case], precision: torch.dtype) -> dict[str, float]:
    """The worst over all outputs and cases. Of float32: the largest difference, as a share of the output's peak where
    that is above 1; and where that is above 1e-5, or signal to noise below 90 dB, also how far graph and torch are from
    float64 (`…_vs_float64`, `…_torch_vs_float64`). Of 16 bits: the lowest signal-to-noise ratio in dB.

    Raises:
        ParityError: float32 above these bounds by more than torch's own rounding, or below 60 dB; 16 bits below 30 dB;
            a value that is not finite.
    """
    session = open_graph(path, precision)
    made = [session.run(list(graph.outputs), case.feeds) for case in cases]
    wanted = [case.wanted for case in cases]
    worst = _lowest_db(made, wanted)
    if precision != torch.float32:
        _require(graph, worst, SNR_DB)
        return {f"{graph.name}_snr_db": round(worst, 1)}
    _require(graph, worst, LEAST_DB)
    largest = _largest(made, wanted)
    found = {graph.name: _short(largest)}
    if largest <= TOLERANCE and worst >= FLOAT32_DB:
        return found
    return {**found, **_against_float64(graph, cases, made)}


def _require(graph: Graph, found_db: float, least_db: float) -> None:
    if not found_db >= least_db:
        raise ParityError(f"{graph.name}: {found_db:.1f} dB signal to noise, at least {least_db:.0f} wanted")


def _against_float64(graph: Graph, cases: list[Case], made: list[list[Any]]) -> dict[str, float]:
    """How far the graph's outputs and torch's are from the part computed in float64 (its float32 weights as they are;
    RMS norms stay in float32).

    Raises:
        ParityError: the graph's largest difference, or its noise, is more than `ROUNDING` times torch's.
    """
    exact, torchs = _in_float64(graph, cases), [case.wanted for case in cases]
    ours, theirs = _largest(made, exact), _largest(torchs, exact)
    ours_db, theirs_db = _lowest_db(made, exact), _lowest_db(torchs, exact)
    if not (ours <= ROUNDING * theirs and ours_db >= theirs_db - 20 * np.log10(ROUNDING)):
        raise ParityError(
            f"{graph.name}: off from float64 by {ours:.2e} ({ours_db:.1f} dB signal to noise), torch by {theirs:.2e} "
            f"({theirs_db:.1f} dB); up to {ROUNDING:g} times that is rounding"
        )
    return {f"{graph.name}_vs_float64": _short(ours), f"{graph.name}_torch_vs_float64": _short(theirs)}


def _in_float64(graph: Graph, cases: list[Case]) -> list[list[NDArray[np.float32]]]:
    """The part's outputs for each case. Its weights are widened in place, one by one, and come back as they were."""
    part: Any = graph.part
    before = getattr(part, "precision", torch.float32)
    found = []
    part.double().precision = torch.float64
    try:
        for case in cases:
            feeds = [torch.from_numpy(x) for x in case.feeds.values()]
            with torch.no_grad():
                out = part(*[x.double() if x.is_floating_point() else x for x in feeds])
            found.append([x.float().numpy() for x in (out if isinstance(out, tuple) else (out,))])
    finally:
        part.float().precision = before
    return found


def _pairs(made: list[list[Any]], wanted: list[list[Any]]) -> Iterator[tuple[Any, Any]]:
    for one, other in zip(made, wanted, strict=True):
        yield from zip(one, other, strict=True)


def _largest(made: list[list[Any]], wanted: list[list[Any]]) -> float:
    """Largest difference as a share of the output's peak where that is above 1, over all cases and outputs."""
    return max(float(np.abs(got - true).max() / max(1.0, np.abs(true).max())) for got, true in _pairs(made, wanted))


def _lowest_db(made: list[list[Any]], wanted: list[list[Any]]) -> float:
    return float(np.min([snr_db(got, true) for got, true in _pairs(made, wanted)]))  # NaN where one is


def _short(value: float) -> float:
    return float(f"{value:.2g}")


def snr_db(got: NDArray[np.float32], wanted: NDArray[np.float32]) -> float:
    """Power of `wanted` over that of its difference to `got`, in dB."""
    error = np.square(got - wanted, dtype=np.float64).sum()
    return float(10 * np.log10(np.square(wanted, dtype=np.float64).sum() / max(error, 1e-30)))
