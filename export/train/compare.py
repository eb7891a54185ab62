"""Cores compared at equal compute: `python -m export.train.compare --data DIR --cache DIR --out compare CHECKPOINT …`.

The checkpoints are of runs with `--clock cpu`, the same batches and as many seconds of work each. Of each: the mean
improvement on held-out mixtures (speech against noises at 0, 5 and 10 dB; the best-filled classes), and what a hop
costs the engine on one thread at 1, 4, 8 and 16 streams a call, hot (the same call over and over) and cold (40 MB of
other data touched in between, as a busy server does). Writes `OUT.json` and the picture `OUT.png`.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from export.command_line import HelpFormat, answer, require_place, require_torch, whole

if __name__ == "__main__":
    require_torch("python -m export.train.compare")

import numpy as np
import torch

from export import parity, to_onnx
from export.errors import MissingDependency
from export.models.queried import QueriedSeparator, core_name
from export.train import checkpoint
from export.train.cache import SampleStore, open_recordings
from export.train.concepts import NOISES
from export.train.corpus import MAN, SPEECH, WOMAN, Recording
from export.train.mixtures import held_out_mixtures
from export.train.validation import score

COMMAND = "python -m export.train.compare"
BATCHES = (1, 4, 8, 16)
HOP_MS = 10.0
CLASSES = (
    MAN, WOMAN, "rain", "dog bark", "drums", "bass", "piano", "clock tick", "helicopter", "baby cry", "typing",
    "footsteps", "fire crackling", "rooster", "sneeze", "sea waves", "strings", "guitar",
)  # fmt: skip
_OTHER_DATA = 10_000_000
"""Floats touched between two cold calls."""


def quality(model: QueriedSeparator, held_out: Sequence[Recording], store: SampleStore, count: int) -> dict[str, float]:
    """Mean improvements in dB: `speech` over three ratios with `count` mixtures each, `classes` over `CLASSES`."""
    speech: list[float] = []
    for snr_db in (0.0, 5.0, 10.0) if SPEECH in model.concepts else ():
        mixtures = held_out_mixtures(held_out, store, concepts=[SPEECH], per_concept=count, snr_db=(snr_db, snr_db),
                                     others=NOISES, seed=2)  # fmt: skip
        speech += score(model, mixtures).improvement_db[SPEECH]
    known = [label for label in CLASSES if label in model.concepts]
    mixtures = held_out_mixtures(held_out, store, concepts=known, per_concept=max(4, count // 4), seed=1)
    classes = score(model, mixtures).mean_db()
    return {
        "speech_db": round(float(np.mean(speech)) if speech else 0.0, 2),
        "classes_db": round(float(np.mean(list(classes.values()))) if classes else 0.0, 2),
    }


def milliseconds(model: QueriedSeparator, *, int8: bool, calls: int) -> dict[str, dict[str, float]]:
    """`{"hot": {batch: ms}, "cold": …}` of one hop, the lower quartile of `calls`."""
    other = np.zeros(_OTHER_DATA, np.float32)
    found: dict[str, dict[str, float]] = {"hot": {}, "cold": {}}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "separator.onnx"
        to_onnx.write(to_onnx.separator_graph(model.core, int8=int8), path)
        session = parity.open_graph(path)
    for batch in BATCHES:
        feeds = parity.example(model.core, batch, 1)
        for kind in found:
            times = []
            for _ in range(calls):
                if kind == "cold":
                    other += 1.0
                begin = time.perf_counter()
                session.run(list(parity.OUTPUTS), feeds)
                times.append(time.perf_counter() - begin)
            found[kind][str(batch)] = round(1e3 * float(np.quantile(times, 0.25)), 3)
    return found


def streams_per_core(milliseconds_by_batch: dict[str, float]) -> dict[str, int]:
    """How many streams one core carries if it did nothing else: a batch's hops in 10 ms."""
    return {batch: int(int(batch) * HOP_MS / ms) for batch, ms in milliseconds_by_batch.items()}


def compared(
    path: Path, held_out: Sequence[Recording], store: SampleStore, count: int, calls: int = 200
) -> list[dict[str, Any]]:
    """Rows of one checkpoint: as it is, and with weights of 8 bits where its core can."""
    content = checkpoint.load(path)
    model = checkpoint.build(content)
    config = model.core.config
    kind = core_name(config)
    name = f"{kind} {getattr(config, 'width', None) or getattr(config, 'hidden', 0)}"
    scores = quality(model, held_out, store, count)
    rows = []
    for int8 in (False, True) if kind == "linear" else (False,):
        costs = milliseconds(model, int8=int8, calls=calls)
        rows.append({
            "core": name, "int8": int8, "weights": sum(p.numel() for p in model.core.parameters()),
            "steps": content["steps"], "cpu_s": round(content["elapsed_s"]), **scores, "ms": costs,
            "streams_per_core": {kind: streams_per_core(by_batch) for kind, by_batch in costs.items()},
        })  # fmt: skip
    return rows


def draw(rows: Sequence[dict[str, Any]], out: Path) -> None:
    """Quality against streams a core: from cold calls of one stream to hot calls of sixteen."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(10, 4.2), sharex=True)
    titles = {"speech_db": "speech in noise, 0/5/10 dB", "classes_db": f"{len(CLASSES)} classes, -5…+5 dB"}
    for axis, (key, title) in zip(axes, titles.items(), strict=True):
        for number, row in enumerate(rows):
            streams = row["streams_per_core"]
            x = [streams["cold"]["1"], streams["hot"]["1"], streams["cold"]["16"], streams["hot"]["16"]]
            label = f"{row['core']}{', int8' if row['int8'] else ''} ({row['weights'] / 1e6:.2f} M)"
            y = row[key]  # of the float weights, also where 8 bits were timed
            axis.plot(x, [y] * 4, "--" if row["int8"] else "-", color=f"C{number}", alpha=0.4)
            for at, marker in zip(x, "v^so", strict=True):
                axis.plot(at, y, marker, color=f"C{number}", label=label if marker == "o" else None)
        axis.set(title=title, ylabel="SI-SDR improvement, dB",
                 xlabel="streams per core at 100 % (1 a call: ▾ cold, ▴ hot; 16 a call: ■ cold, ● hot)")  # fmt: skip
        axis.xaxis.label.set_size(7)
        axis.grid(alpha=0.3)
    axes[0].legend(fontsize=8)
    cpu_s = sorted({row["cpu_s"] for row in rows})
    figure.suptitle(f"After {'–'.join(map(str, cpu_s))} s of one core's work each, on held-out recordings", fontsize=10)
    figure.tight_layout()
    figure.savefig(out, dpi=90)


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare as the command line says; returns the exit status."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__, formatter_class=HelpFormat)
    parser.add_argument("checkpoints", type=Path, nargs="+", help="what export.train.separator saved")
    parser.add_argument("--data", type=Path, required=True, help="folder with manifest.csv and the recordings")
    parser.add_argument("--cache", type=Path, required=True, help="where decoded samples are kept")
    parser.add_argument("--out", type=Path, required=True, help="path without suffix")
    parser.add_argument("--count", type=whole(1), default=20,
                        help="mixtures of each ratio; a quarter of it of each class")  # fmt: skip
    options = parser.parse_args(sys.argv[1:] if arguments is None else arguments)
    return answer(COMMAND, lambda: _compared_all(options))


def _compared_all(options: argparse.Namespace) -> int:
    torch.set_num_threads(1)
    table, picture = (options.out.with_suffix(suffix) for suffix in (".json", ".png"))
    for file in (table, picture):
        require_place("--out", file)
    if find_spec("matplotlib") is None:
        raise MissingDependency("matplotlib", COMMAND, "server")
    for path in options.checkpoints:
        checkpoint.require_finite(checkpoint.build(checkpoint.load(path)).state_dict(), f"{path}: weights")
    _, held_out, store = open_recordings(options.data, options.cache)
    rows = [row for path in options.checkpoints for row in compared(path, held_out, store, options.count)]
    table.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    draw(rows, picture)
    for row in rows:
        print(json.dumps(row))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
