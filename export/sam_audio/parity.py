"""Does a graph compute what the torch model computes? Measured for several sizes of every free axis."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import NamedTuple

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
SNR_DB = 30.0


class Case(NamedTuple):
    """Inputs, and the float32 torch model's outputs, in order."""

    feeds: Arrays
    wanted: list[NDArray[np.float32]]


def cases_of(graph: Graph) -> list[Case]:
    """What the part makes of each example: to be asked for before the part is narrowed."""
    found = []
    for seed, sizes in enumerate(CHECKED_WITH):
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
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        copy = Path(folder) / path.name
        onnx.save(runnable(path), copy, save_as_external_data=True, location="weights")
        return ort.InferenceSession(str(copy), options, providers=["CPUExecutionProvider"])


def check(graph: Graph, path: Path, cases: list[Case], precision: torch.dtype) -> dict[str, float]:
    """The worst over all outputs and cases. Of float32: the largest difference, as a share of the output's peak where
    that is above 1. Of 16 bits: the lowest signal-to-noise ratio in dB.

    Raises:
        ParityError: worse than 1e-5, or than 30 dB, or a value is not finite.
    """
    session = open_graph(path, precision)
    pairs = [
        (got, wanted)
        for case in cases
        for got, wanted in zip(session.run(list(graph.outputs), case.feeds), case.wanted, strict=True)
    ]
    if precision != torch.float32:
        worst = min(snr_db(got, wanted) for got, wanted in pairs)
        if not worst >= SNR_DB:
            raise ParityError(f"{graph.name}: {worst:.1f} dB signal to noise, at least {SNR_DB:.0f} wanted")
        return {f"{graph.name}_snr_db": round(worst, 1)}
    largest = max(float(np.abs(got - wanted).max() / max(1.0, np.abs(wanted).max())) for got, wanted in pairs)
    if not largest <= TOLERANCE:
        raise ParityError(f"{graph.name}: largest difference {largest:.2e}, allowed {TOLERANCE:.0e}")
    return {graph.name: float(f"{largest:.2g}")}


def snr_db(got: NDArray[np.float32], wanted: NDArray[np.float32]) -> float:
    """Power of `wanted` over that of its difference to `got`, in dB."""
    error = np.square(got - wanted, dtype=np.float64).sum()
    return float(10 * np.log10(np.square(wanted, dtype=np.float64).sum() / max(error, 1e-30)))
