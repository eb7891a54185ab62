"""`winnow export sam-audio CHECKPOINT OUT`: parse, say the licence, export, say what was made.

Nothing of torch is imported before the arguments are understood, so that `--help` answers at once, and where the
package is missing the answer is one line. Exit codes: 0 done, 1 our fault or the disk's, 2 the caller's, 130
interrupted.
"""

from __future__ import annotations

import argparse
import json
import sys
import traceback
from pathlib import Path
from typing import Any

from engine.errors import BadInput, BundleError, CallerError, WinnowError
from engine.spec import PlanLimits
from export.errors import MissingDependency
from export.models.sam_audio.errors import CheckpointError, LibraryFailed
from export.sam_audio.card import WORDS

OUR_FAULT, CALLERS_FAULT, INTERRUPTED = 1, 2, 130

_EXAMPLE = """\
example:
  pip install 'winnow-live[gpu,sam-audio]'
  winnow export sam-audio sam-audio-small bundles/sam-audio-small --t5 t5-base --precision float16
  winnow serve --model bundles/sam-audio-small --mode low_latency

CHECKPOINT is a folder as downloaded from facebook/sam-audio-{small,base,large}[-tv] (config.json and checkpoint.pt, or
safetensors); T5 is google-t5/t5-base, which is no part of it. Nothing is downloaded. An export that was cut off goes on
where it was when the same is asked for again.
"""


def add_to(commands: Any) -> None:
    """Add the command to a parser's subcommands."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "sam-audio",
        help="a SAM Audio checkpoint as a bundle",
        description=f"A bundle of ONNX graphs from a SAM Audio checkpoint. {WORDS}",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="the checkpoint's folder")
    parser.add_argument("out", type=Path, metavar="OUT", help="the bundle's folder; must not be there yet")
    parser.add_argument("--t5", type=Path, metavar="FOLDER", help="T5's folder (looked for in and beside CHECKPOINT)")
    parser.add_argument(
        "--precision", default="float32", help="of the transformer: float32 (default), float16, or bfloat16 (GPU only)"
    )
    parser.add_argument("--codec-precision", default="float32", help="of the codec: float32 or float16")
    parser.add_argument("--no-watermark", dest="watermark", action="store_false", help="leave the watermark out")
    parser.add_argument("--no-vision", dest="vision", action="store_false", default=None, help="no visual prompts")
    parser.add_argument("--spans", type=Path, metavar="FOLDER", help="with PE-A-Frame, which predicts spans")
    parser.add_argument("--judge", type=Path, metavar="FOLDER", help="with SAM Audio Judge, which ranks candidates")
    parser.add_argument(
        "--tensorrt", metavar="SECONDS", help="build plans for windows of these lengths (5,12) on this machine's GPU"
    )
    parser.add_argument(
        "--max-batch",
        type=int,
        default=PlanLimits().most_rows,
        help="largest batch of the plans (default: %(default)s); larger ones run on the plain graph, slower",
    )
    parser.add_argument("--name", help="the bundle's name (default: CHECKPOINT's)")
    parser.add_argument("--replace", action="store_true", help="a bundle at OUT gives way, once the new one is there")
    parser.add_argument("--threads", type=int, default=0, help="threads of torch (default: its own choice)")
    parser.add_argument("--verbose", action="store_true", help="after an error, where it came from")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Export; the exit status."""
    try:
        made = _exported(options)
    except (WinnowError, OSError) as error:
        mine = isinstance(error, CallerError | CheckpointError | BundleError)
        return _failed(options, error, getattr(error, "code", "disk"), CALLERS_FAULT if mine else OUR_FAULT)
    except ImportError as error:
        missing = MissingDependency((error.name or "torch").split(".")[0], "winnow export", "sam-audio")
        return _failed(options, missing, missing.code, CALLERS_FAULT)
    except KeyboardInterrupt:
        _say("interrupted; the same command goes on from here")
        return INTERRUPTED
    if options.json:
        print(json.dumps(made))
    return 0


def _exported(options: argparse.Namespace) -> dict[str, Any]:
    windows_s = _windows(options.tensorrt)
    if options.threads < 0:
        raise BadInput("--threads", "0 or more", options.threads)
    import torch

    from export.parity import ParityError
    from export.sam_audio.bundle import export_bundle
    from export.sam_audio.order import Order

    if options.threads:
        torch.set_num_threads(options.threads)
    _say(f"Licence: {WORDS}")
    order = Order(
        checkpoint=options.checkpoint,
        out=options.out,
        t5=options.t5,
        precision=options.precision,
        codec_precision=options.codec_precision,
        watermark=options.watermark,
        vision=options.vision,
        spans=options.spans,
        judge=options.judge,
        windows_s=windows_s,
        max_batch=options.max_batch,
        name=options.name,
        replace=options.replace,
    )
    try:
        spec = export_bundle(order, _say)
    except ParityError as error:
        raise WinnowError(f"the export was stopped: {error}") from error
    except _libraries_errors() as error:
        raise LibraryFailed(error) from error
    _say(f"{options.out}: {len(spec.graphs)} graphs; read its CARD.md and LICENSE.md before you pass it on")
    return {"bundle": str(options.out), "name": spec.name, "licence": spec.licence, "parity": spec.parity}


def _libraries_errors() -> tuple[type[Exception], ...]:
    """What torch and ONNX Runtime raise when they give up: no memory, no kernel, no library of the device's."""
    from onnxruntime.capi import onnxruntime_pybind11_state as runtime

    # ONNX Runtime has a class for each kind of failure, and no base of its own for them.
    own = [kind for kind in vars(runtime).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    return (RuntimeError, MemoryError, *own)


def _windows(text: str | None) -> tuple[float, ...]:
    if text is None:
        return ()
    try:
        found = tuple(float(part) for part in text.split(","))
    except ValueError:
        found = ()
    if not found or not all(0 < second <= 400 for second in found):
        raise BadInput("--tensorrt", "seconds of windows, as 5,12 (0 … 400)", text)
    return found


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _failed(options: argparse.Namespace, error: Exception, code: str, status: int) -> int:
    if options.json:
        print(json.dumps({"error": {"code": code, "message": str(error)}}))
    else:
        _say(f"winnow export: {error}")
    if options.verbose:
        traceback.print_exception(error)
    return status
