"""`python -m export sam-audio …` makes a bundle of a SAM Audio checkpoint; `… bundle` one of a separator trained here,
`… keep` a small checkpoint of it, `… check` tests its bundle."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from engine.spec import DEFAULT_MODEL, MODELS_FOLDER, load_spec
from export.sam_audio import command as sam_audio

KEPT = Path(__file__).parent / "train" / "checkpoints" / f"{DEFAULT_MODEL}.pt"


def bundle(options: argparse.Namespace) -> int:
    """Graphs, vocabulary, card and spec of a checkpoint.

    Raises:
        ParityError, OSError: see `write_bundle`.
    """
    from export.card import write_card
    from export.manifest import concept_entries, timings, write_bundle
    from export.train import checkpoint
    from export.train.corpus import read_manifest

    content = checkpoint.load(options.checkpoint)
    model = checkpoint.build(content)
    report = json.loads(options.scores.read_text(encoding="utf-8")) if options.scores else {}
    entries = concept_entries(model.concepts, report.get("concepts", {}))
    card = write_card(model, read_manifest(options.data), entries, report, content, options.out.name, int8=options.int8)
    spec = write_bundle(
        options.out, model, report, card, version=options.version, name=options.out.name, int8=options.int8
    )
    good = sum(entry["status"] == "advertised" for entry in entries)
    print(
        json.dumps(
            {"bundle": str(options.out), "advertised": good, "parity": spec.parity, "ms": timings(model, options.out)}
        )
    )
    return 0


def keep(options: argparse.Namespace) -> int:
    """The checkpoint in half precision, small enough for the repository."""
    from export.train import checkpoint

    checkpoint.save(options.out, checkpoint.compact(checkpoint.load(options.checkpoint)))
    print(f"{options.out}: {options.out.stat().st_size / 1e6:.1f} MB")
    return 0


def check(options: argparse.Namespace) -> int:
    """Hashes of a bundle, and its graph against the torch model of a checkpoint.

    Raises:
        BundleError, ParityError: what is wrong.
    """
    from export import parity
    from export.train import checkpoint

    model = checkpoint.build(checkpoint.load(options.checkpoint))
    rounded = "alone_vs_batch" in load_spec(options.out).parity
    check_graph = parity.check_rounded if rounded else parity.check
    print(json.dumps(check_graph(model.core, parity.open_graph(options.out / "separator.onnx"))))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="winnow export", description=__doc__)
    commands = parser.add_subparsers(required=True)
    folder = MODELS_FOLDER / DEFAULT_MODEL
    sam_audio.add_to(commands)
    for name, function, out in (("bundle", bundle, folder), ("keep", keep, KEPT), ("check", check, folder)):
        command = commands.add_parser(name, help=function.__doc__)
        command.add_argument("--checkpoint", type=Path, required=True)
        command.add_argument("--out", type=Path, default=out)
        command.set_defaults(run=function)
        if name == "bundle":
            command.add_argument("--data", type=Path, required=True, help="folder with manifest.csv")
            command.add_argument("--scores", type=Path, help="JSON of export.train.evaluate")
            command.add_argument("--version", default="0.1.0")
            command.add_argument("--int8", action="store_true", help="round the weights to 8 bits")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    options = _parser().parse_args(sys.argv[1:] if arguments is None else arguments)
    if options.run is not sam_audio.run:
        import torch

        logging.basicConfig(level=logging.INFO, format="%(name)s %(message)s")
        torch.set_num_threads(1)
    status: int = options.run(options)
    return status


if __name__ == "__main__":
    raise SystemExit(main())
