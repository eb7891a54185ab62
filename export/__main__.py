"""`python -m export sam-audio …` makes a bundle of a SAM Audio checkpoint; `… bundle` one of a separator trained here,
`… keep` a small checkpoint of it, `… check` tests its bundle. Exit status: 0 done, 1 the disk failed or a graph
does not compute what its model does, 2 a mistake in what was asked for or given."""

from __future__ import annotations

import argparse
import json
import logging
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engine.errors import BadInput
from engine.spec import DEFAULT_MODEL, MODELS_FOLDER, NAME_PATTERN, load_spec
from export.command_line import answer, require_folder, require_torch
from export.sam_audio import command as sam_audio

COMMAND = "winnow export"
KEPT = Path(__file__).parent / "train" / "checkpoints" / f"{DEFAULT_MODEL}.pt"


def bundle(options: argparse.Namespace) -> int:
    """Graphs, vocabulary, card and spec of a checkpoint.

    Raises:
        BadInput: an option's value or a file cannot be used; nothing is written then.
        ParityError, OSError: see `write_bundle`.
    """
    from export.card import write_card
    from export.manifest import concept_entries, timings, write_bundle
    from export.models.linear import LinearCore
    from export.train import checkpoint
    from export.train.corpus import read_manifest

    out: Path = options.out
    if re.fullmatch(NAME_PATTERN, out.name) is None:
        raise BadInput("--out", "a folder whose name has 1 to 64 of a-z 0-9 . _ -, a letter or digit first", str(out))
    if out.is_file() or (out.is_dir() and any(out.iterdir()) and not options.replace):
        raise BadInput("--out", "a folder that is not there yet (or --replace, for one that is)", str(out))
    content = checkpoint.load(options.checkpoint)
    model = checkpoint.build(content)
    if options.int8 and not isinstance(model.core, LinearCore):
        raise BadInput("--int8", "a checkpoint of a linear core", str(options.checkpoint))
    checkpoint.require_finite(model.state_dict(), f"{options.checkpoint}: weights")
    report = _report(options.scores, model.concepts) if options.scores else {}
    recordings = read_manifest(options.data)
    require_folder("--out", out.parent)
    entries = concept_entries(model.concepts, report.get("concepts", {}))
    card = write_card(model, recordings, entries, report, content, out.name, version=options.version, int8=options.int8)
    spec = write_bundle(out, model, report, card, version=options.version, name=out.name, int8=options.int8)
    good = sum(entry["status"] == "advertised" for entry in entries)
    print(json.dumps({"bundle": str(out), "advertised": good, "parity": spec.parity, "ms": timings(model, out)}))
    return 0


def _report(path: Path, concepts: Sequence[str]) -> dict[str, Any]:
    from export.card import REPORT_PARTS

    expected = "a report of export.train.evaluate --json"
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput("--scores", expected, f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise BadInput("--scores", expected, f"{path}: {error}") from error
    if not isinstance(report, dict) or not report.keys() >= set(REPORT_PARTS):
        raise BadInput("--scores", f"{expected}, with {', '.join(REPORT_PARTS)}", str(path))
    if set(report["concepts"]) != set(concepts):
        raise BadInput("--scores", "a report of this checkpoint: one with its words", str(path))
    return report


def keep(options: argparse.Namespace) -> int:
    """The checkpoint in half precision, small enough for the repository.

    Raises:
        BadInput: the checkpoint cannot be used, or another one stands where it is to go.
    """
    from export.train import checkpoint

    if options.out.is_dir() or (options.out.exists() and not options.replace):
        raise BadInput("--out", "a file that is not there yet (or --replace, for one that is)", str(options.out))
    content = checkpoint.compact(checkpoint.load(options.checkpoint))
    for part in ("ema", "model"):
        checkpoint.require_finite(content[part], f"{options.checkpoint}: {part}")
    require_folder("--out", options.out.parent)
    checkpoint.save(options.out, content)
    print(f"{options.out}: {options.out.stat().st_size / 1e6:.1f} MB")
    return 0


def check(options: argparse.Namespace) -> int:
    """Hashes of a bundle, and its graph against the torch model of a checkpoint.

    Raises:
        BadInput, BundleError, ParityError: what is wrong.
    """
    from export import parity, to_onnx
    from export.models.queried import as_options
    from export.train import checkpoint

    spec = load_spec(options.out)
    model = checkpoint.build(checkpoint.load(options.checkpoint))
    config = model.core.config
    if (spec.bins, spec.query_size, spec.states) != (config.bins, config.query, (to_onnx.state_spec(model.core),)):
        raise BadInput("--checkpoint", f"the one that {options.out} was made of", as_options(config))
    check_graph = parity.check_rounded if "alone_vs_batch" in spec.parity else parity.check
    print(json.dumps(check_graph(model.core, parity.open_graph(options.out / "separator.onnx"))))
    return 0


def _version(text: str) -> str:
    if re.fullmatch(r"\d+\.\d+\.\d+[0-9A-Za-z.+-]*", text) is None:
        raise argparse.ArgumentTypeError(f"expected a version, as 1.2.3, got {text!r}")
    return text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    commands = parser.add_subparsers(required=True)
    sam_audio.add_to(commands)
    parsers = {}
    for name, function in (("bundle", bundle), ("keep", keep), ("check", check)):
        what = str(function.__doc__).splitlines()[0]
        command = parsers[name] = commands.add_parser(name, help=what, description=what)
        command.add_argument("--checkpoint", type=Path, required=True)
        command.set_defaults(run=function, name=name)
    own = parsers["bundle"]
    own.add_argument("--out", type=Path, required=True, help="the bundle's folder, which gives it its name")
    own.add_argument("--data", type=Path, required=True, help="folder with manifest.csv")
    own.add_argument("--scores", type=Path, help="JSON of export.train.evaluate")
    own.add_argument("--version", type=_version, required=True, help="the bundle's, as 1.2.3")
    own.add_argument("--int8", action="store_true", help="round the weights to 8 bits")
    own.add_argument("--replace", action="store_true", help="a bundle at OUT gives way, once the new one is proved")
    own = parsers["keep"]
    own.add_argument("--out", type=Path, default=KEPT, help="the file (default: %(default)s)")
    own.add_argument("--replace", action="store_true", help="a checkpoint at OUT gives way")
    embedded = MODELS_FOLDER / DEFAULT_MODEL
    parsers["check"].add_argument("--out", type=Path, default=embedded, help="the bundle (default: %(default)s)")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    options = _parser().parse_args(sys.argv[1:] if arguments is None else arguments)
    if options.run is sam_audio.run:
        return sam_audio.run(options)
    require_torch(f"{COMMAND} {options.name}")
    import torch

    logging.basicConfig(level=logging.INFO, format="%(name)s %(message)s")
    torch.set_num_threads(1)
    return answer(f"{COMMAND} {options.name}", lambda: int(options.run(options)))


if __name__ == "__main__":
    raise SystemExit(main())
