"""Put a bundle together: graphs, vocabulary, card, spec; its numbers are measured here or come from the scores."""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from engine.spec import SPEC_FILE, AudioSpec, ModelSpec, write_spec
from export import parity, to_onnx
from export.models.flat import FlatConfig, FlatCore
from export.models.queried import QueriedSeparator
from export.state_graphs import write_state_graphs
from export.train import checkpoint
from export.train.frames import HOP, WINDOW

logger = logging.getLogger("winnow.export")

ADVERTISED_FROM_DB = 1.0
"""Mean improvement on held-out mixtures from which a concept is advertised: clear of 0, since other recordings will be
heard than these."""
ADVERTISED_FROM_RECORDINGS = 4
TIMED = ((1, 1), (8, 1), (16, 1), (1, 100))
"""Batch and hops of the calls that are timed."""


def concept_entries(concepts: list[str], scores: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows of `concepts.json`: label, status, score, held-out recordings, in the order of the concept vectors.

    Advertised is what scores 1 dB or more, and two standard errors above 0, on mixtures of at least four held-out
    recordings; the rest is experimental.
    """
    entries = []
    for label in concepts:
        row = scores.get(label, {})
        gain, count = row.get("si_sdr_improvement_db"), int(row.get("held_out_recordings", 0))
        sure_db = max(ADVERTISED_FROM_DB, 2 * (row.get("standard_error_db") or 0.0))
        good = gain is not None and gain >= sure_db and count >= ADVERTISED_FROM_RECORDINGS
        status = "advertised" if good else "experimental"
        entries.append({"label": label, "status": status, "si_sdr_improvement_db": gain, "held_out_recordings": count})
    return entries


def write_bundle(
    folder: Path,
    model: QueriedSeparator,
    report: Mapping[str, Any],
    card: str,
    *,
    version: str,
    name: str,
    int8: bool = False,
) -> ModelSpec:
    """Write the bundle of a trained model into `folder`. It is made beside it and moved there once parity is proved,
    file by file, the spec last: an older bundle stays whole until then, and a half-moved one is refused.

    Args:
        report: what `export.train.evaluate` found; may be empty, then every concept is experimental.
        card: text of `CARD.md`.
        int8: round the weights of a linear core to 8 bits.

    Raises:
        BadInput: a weight is NaN or infinite; names the tensor.
        ParityError: a graph does not compute what the model computes; `folder` is then as it was.
        OSError: the folder cannot be written.
    """
    checkpoint.require_finite(model.state_dict())
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{name}-") as temporary:
        made = Path(temporary)
        spec = _write(made, model, report, card, version=version, name=name, int8=int8)
        folder.mkdir(exist_ok=True)
        for file in sorted(made.iterdir(), key=lambda file: file.name == SPEC_FILE):
            file.replace(folder / file.name)
    return spec


def _write(folder: Path, model: QueriedSeparator, report: Mapping[str, Any], card: str, *, version: str, name: str,
           int8: bool) -> ModelSpec:  # fmt: skip
    config = model.core.config
    state = to_onnx.state_spec(model.core)
    int8 = int8 and not isinstance(model.core, FlatCore)
    to_onnx.write(to_onnx.separator_graph(model.core, int8=int8), folder / "separator.onnx")
    graphs = {"separator": "separator.onnx", **write_state_graphs(folder, state)}
    session = parity.open_graph(folder / "separator.onnx")
    measured = (parity.check_rounded if int8 else parity.check)(model.core, session)
    logger.info("parity %s", measured)
    entries = concept_entries(model.concepts, report.get("concepts", {}))
    rows = ",\n ".join(json.dumps(entry) for entry in entries)
    (folder / "concepts.json").write_text(f"[{rows}]\n", encoding="utf-8")
    np.save(folder / "concept_vectors.npy", model.vectors.detach().cpu().numpy().astype(np.float32))
    (folder / "CARD.md").write_text(card, encoding="utf-8")
    files = (*graphs.values(), "concepts.json", "concept_vectors.npy", "CARD.md")
    spec = ModelSpec(
        name=name,
        version=version,
        description=f"Causal separator asked by words: {len(model.concepts)} concepts, {_kind(model)}, 20 ms.",
        licence="Apache-2.0",
        program="mask",
        runtime="onnx",
        audio=AudioSpec(sample_rate=48_000, window=WINDOW, hop=HOP, crossfade=WINDOW - HOP),
        bins=config.bins,
        query_size=config.query,
        states=(state,),
        graphs=graphs,
        parity={key: float(f"{value:.3g}") for key, value in measured.items()},
    )
    return write_spec(folder, spec, files)


def _kind(model: QueriedSeparator) -> str:
    config = model.core.config
    if isinstance(config, FlatConfig):
        return f"{config.blocks} GRUs of {config.hidden}"
    return f"{config.blocks} gated linear recurrences of {config.width}"


def timings(model: QueriedSeparator, folder: Path) -> dict[str, float]:
    """Milliseconds a call of the bundle's separator takes on one thread here, by `batch × hops`."""
    session = parity.open_graph(folder / "separator.onnx")
    return {f"{b} × {t}": round(parity.milliseconds(model.core, session, b, t), 3) for b, t in TIMED}
