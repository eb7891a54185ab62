"""Does the graph compute what the torch model computes, and is one call of T hops the same as T calls of one?"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
import torch

from engine.errors import WinnowError
from export.models.flat import FlatCore
from export.models.queried import Core

Arrays = dict[str, npt.NDArray[np.float32]]
OUTPUTS = ("mask", "active", "state_out")
TOLERANCE = 1e-5
ROUNDING = 0.15
"""How far a gain may lie from the torch model's where weights and inputs are rounded to 8 bits."""


class ParityError(WinnowError):
    """Graph and model disagree: the export must not be shipped. Says which number and by how much."""

    code = "parity"


def open_graph(path: Path) -> ort.InferenceSession:
    """One thread, as the engine runs it."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def example(core: Core, batch: int, hops: int, seed: int = 0) -> Arrays:
    """Inputs as in life: spectra at levels from -50 to -10 dBFS, unit queries, hints of all three kinds."""
    rng, config = np.random.default_rng(seed), core.config
    level = 10 ** (rng.uniform(-50, -10, (batch, 1, 1, 1)) / 20) * np.sqrt(240)
    return {
        "spectrum": (rng.standard_normal((batch, hops, config.bins, 2)) * level).astype(np.float32),
        "query": rng.standard_normal((batch, config.query)).astype(np.float32),
        "hint": np.array([[0, 0], [1, 0], [0, 1]], np.float32)[np.arange(batch) % 3],
        "state": _example_state(core, batch, rng),
    }


def _example_state(core: Core, batch: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """A state as in life: of a linear core, what a few hops of noise leave behind."""
    rows, width = core.config.state_shape
    if isinstance(core, FlatCore):
        return rng.uniform(-0.5, 0.5, (rows, batch, width)).astype(np.float32)
    noise = torch.from_numpy(0.07 * rng.standard_normal((batch, 5, core.config.bins, 2)).astype(np.float32))
    zeros = torch.zeros(batch, 5, 2)
    with torch.no_grad():
        state = core(
            torch.view_as_complex(noise), torch.ones(batch, core.config.query), zeros, torch.zeros(rows, batch, width)
        )[2]
    return _to_graph(core, state)


def _to_graph(core: Core, state: torch.Tensor) -> npt.NDArray[np.float32]:
    """`[rows, B, width]` as the graph has it: a linear core's lies slot by slot."""
    flat = state if isinstance(core, FlatCore) else state.transpose(0, 1).flatten(1)
    return np.ascontiguousarray(flat.numpy())


def _to_core(core: Core, state: torch.Tensor) -> torch.Tensor:
    if isinstance(core, FlatCore):
        return state
    return state.unflatten(1, core.config.state_shape).transpose(0, 1)


def by_torch(core: Core, feeds: Arrays) -> Arrays:
    """The three outputs by the torch model."""
    tensors = {name: torch.from_numpy(value) for name, value in feeds.items()}
    spectrum = torch.view_as_complex(tensors["spectrum"])
    hint = tensors["hint"][:, None].expand(-1, spectrum.shape[1], -1)
    with torch.no_grad():
        logits, active, state = core(spectrum, tensors["query"], hint, _to_core(core, tensors["state"]))
    return {
        "mask": torch.sigmoid(logits).numpy(),
        "active": torch.sigmoid(active).numpy(),
        "state_out": _to_graph(core, state),
    }


def by_graph(session: ort.InferenceSession, feeds: Arrays) -> Arrays:
    """The three outputs by the graph."""
    return dict(zip(OUTPUTS, session.run(list(OUTPUTS), feeds), strict=True))


def by_graph_in_steps(session: ort.InferenceSession, feeds: Arrays) -> Arrays:
    """The three outputs by one call for each hop, the state carried over."""
    state, masks, actives = feeds["state"], [], []
    for hop in range(feeds["spectrum"].shape[1]):
        step = by_graph(session, {**feeds, "spectrum": feeds["spectrum"][:, hop : hop + 1], "state": state})
        state = step["state_out"]
        masks.append(step["mask"])
        actives.append(step["active"])
    return {"mask": np.concatenate(masks, 1), "active": np.concatenate(actives, 1), "state_out": state}


def _largest_difference(one: Arrays, other: Arrays) -> float:
    """Over all outputs, as a share of an output's peak where that is above 1: a state may hold sums of 100."""
    return max(
        float(np.abs(one[name] - other[name]).max() / max(float(np.abs(one[name]).max()), 1.0)) for name in OUTPUTS
    )


def check(core: Core, session: ort.InferenceSession, *, batch: int = 3, hops: int = 100) -> dict[str, float]:
    """Largest differences over all outputs: `torch_vs_graph` and `steps_vs_call`, as shares of peaks above 1.

    Raises:
        ParityError: one of them is 1e-5 or more, or a value is not finite.
    """
    feeds = example(core, batch, hops)
    reference, whole = by_torch(core, feeds), by_graph(session, feeds)
    found = {
        "torch_vs_graph": _largest_difference(reference, whole),
        "steps_vs_call": _largest_difference(whole, by_graph_in_steps(session, feeds)),
    }
    for name, difference in found.items():
        if not difference < TOLERANCE:
            raise ParityError(f"{name}: largest difference {difference:.2e}, allowed below {TOLERANCE:.0e}")
    return found


def check_rounded(core: Core, session: ort.InferenceSession, *, batch: int = 16, hops: int = 40) -> dict[str, float]:
    """The same for a graph of 8-bit weights: `torch_vs_graph` is the largest difference of a gain, below `ROUNDING`;
    `steps_vs_call` and `alone_vs_batch` (a row by itself against the same row among others) stay below 1e-5.

    Raises:
        ParityError: one of them is larger, or a value is not finite.
    """
    feeds = example(core, batch, hops)
    reference, whole = by_torch(core, feeds), by_graph(session, feeds)
    alone = by_graph(session, {name: value[3:4] for name, value in feeds.items()})
    found = {
        "torch_vs_graph": float(np.abs(reference["mask"] - whole["mask"]).max()),
        "steps_vs_call": _largest_difference(whole, by_graph_in_steps(session, feeds)),
        "alone_vs_batch": _largest_difference(alone, {name: value[3:4] for name, value in whole.items()}),
    }
    for name, difference in found.items():
        allowed = ROUNDING if name == "torch_vs_graph" else TOLERANCE
        if not difference < allowed:
            raise ParityError(f"{name}: largest difference {difference:.2e}, allowed below {allowed:.0e}")
    return found


def milliseconds(core: Core, session: ort.InferenceSession, batch: int, hops: int, seconds: float = 0.2) -> float:
    """Median time of a call in milliseconds, over at least 20 calls."""
    feeds = example(core, batch, hops)
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < 20 or time.perf_counter() < end:
        begin = time.perf_counter()
        session.run(list(OUTPUTS), feeds)
        times.append(time.perf_counter() - begin)
    return 1e3 * float(np.median(times))
