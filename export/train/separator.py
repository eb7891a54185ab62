"""Train the embedded separator: `python -m export.train.separator --data DIR [--minutes N] [--resume]`.

The learning rate follows the clock (warm-up, then a cosine to 2 % at the last minute), so a run ends well however fast
the machine is. A run keeps `latest.pt` (to resume) and one line of JSON for each thing worth knowing in `log.jsonl`; a
folder that holds a `latest.pt` is only gone on with, never begun anew. Ctrl-C and SIGTERM end it between two steps, and
it saves them. Exit status: 0 done, 1 the disk, 2 a mistake in what was asked for or given, 130 Ctrl-C, 143 SIGTERM.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from export.command_line import HelpFormat, above_zero, answer, json_value, require_torch, whole

if __name__ == "__main__":
    require_torch("python -m export.train.separator")

import torch

from engine.errors import BadInput
from export.models.queried import CONFIGS, QueriedSeparator, config_of
from export.train import beginning, checkpoint, interruption
from export.train.batches import BatchMaker, Share, Twice, prefetch
from export.train.cache import SampleStore, open_recordings
from export.train.concepts import umbrellas, vocabulary
from export.train.corpus import Recording
from export.train.drawing import Drawing, DrawingAhead
from export.train.examples import ExampleMaker
from export.train.interruption import Stopped
from export.train.mixing import Mixer
from export.train.mixtures import held_out_mixtures
from export.train.running import CLOCKS, follow, run
from export.train.scenes import Recipe, SceneMaker
from export.train.synthetic import synthetic_recordings
from export.train.trainer import Plan, Trainer
from export.train.validation import score
from export.train.workers import Workers, together

logger = logging.getLogger("winnow.export")

COMMAND = "python -m export.train.separator"
LOG_FORMAT = "%(asctime)s %(name)s %(message)s"


def open_corpus(
    data: Path, cache: Path, soundfont: Path | None = None, *, sing: bool = False
) -> tuple[list[Recording], list[Recording], SampleStore]:
    """As `open_recordings`, with synthetic sounds added to the training side: procedural ones, what a soundfont plays,
    and, if they are to `sing`, the training's own voices.

    Raises:
        OSError: data, cache or soundfont cannot be read or written.
        ImportError: a soundfont is given and FluidSynth is not installed, or they are to sing and WORLD is not.
    """
    train, held_out, store = open_recordings(data, cache)
    return train + synthetic_recordings(train, store, cache, soundfont, sing=sing), held_out, store


def tell_changes(before: dict[str, Any], now: dict[str, Any]) -> None:
    """Log what is planned otherwise than when the run began: batches then follow another course."""
    for name, value in now.items():
        if name in before and before[name] != value:
            logger.warning("%s was %r when this run began, and is %r now", name, before[name], value)


def small_validation(held_out: Sequence[Recording], store: SampleStore) -> Callable[[Trainer], dict[str, Any]]:
    """A validation of half a minute: three mixtures a concept, twelve for the spoken ones, running-mean weights."""

    def validate(trainer: Trainer) -> dict[str, Any]:
        model = checkpoint.build(trainer.content())
        spoken = [c for c in model.concepts if "spe" in c]
        mixtures = [
            *held_out_mixtures(held_out, store, concepts=model.concepts, per_concept=3, seed=11),
            *held_out_mixtures(held_out, store, concepts=spoken, per_concept=12, seed=12),
        ]
        scores = score(model, mixtures, absent=model.concepts)
        return {**scores.summary(), "per_concept_db": {k: round(v, 2) for k, v in scores.mean_db().items()}}

    return validate


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line, see `--help`; `config` is what --core and --sizes ask for.

    Raises:
        SystemExit: status 2; what is wrong has been said.
    """
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__, formatter_class=HelpFormat)
    parser.add_argument("--data", type=Path, required=True, help="folder with manifest.csv and the recordings")
    parser.add_argument("--cache", type=Path, help="where decoded samples are kept (default: RUNS/cache)")
    parser.add_argument(
        "--runs", type=Path, default=Path("train-runs"), help="folder of this run's log and checkpoints"
    )
    parser.add_argument("--soundfont", type=Path, help="General MIDI (.sf2) to play more instruments with")
    parser.add_argument("--sing", action="store_true", help="make the training's voices sing (pip install pyworld)")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu",
                        help="where to mix and train; a GPU holds all recordings and 17 batches")  # fmt: skip
    parser.add_argument("--minutes", type=above_zero, default=60.0,
                        help="length of the whole run, resumed parts included")  # fmt: skip
    parser.add_argument("--core", choices=tuple(CONFIGS), default="linear", help="what carries the sound")
    parser.add_argument("--sizes", type=json_value, default={}, help='JSON of the core\'s sizes: {"width": 256}')
    parser.add_argument("--batch", type=whole(1), default=Plan().batch, help="mixtures of two seconds in a step")
    parser.add_argument("--questions", type=whole(1), default=Plan().questions, help="questions asked of each mixture")
    parser.add_argument("--rate", type=above_zero, default=Plan().rate, help="highest learning rate")
    parser.add_argument("--seed", type=whole(0), default=Plan().seed, help="of the mixtures")
    parser.add_argument("--clock", choices=tuple(CLOCKS), default="wall", help="what --minutes counts")
    parser.add_argument("--threads", type=whole(1, 1024), default=1, help="of each worker's matrix products")
    parser.add_argument("--workers", type=whole(1, 1024), default=1,
                        help="processes, each with --batch mixtures of its own in a step (CPU)")  # fmt: skip
    parser.add_argument("--compile", action="store_true", help="fuse the losses' arithmetic (needs a C++ compiler)")
    parser.add_argument("--drawers", type=whole(0, 1024), default=0,
                        help="processes that draw mixtures ahead: a GPU waits for them otherwise")  # fmt: skip
    start = parser.add_mutually_exclusive_group()
    start.add_argument("--resume", action="store_true", help="go on from RUNS/latest.pt")
    start.add_argument("--from", dest="start", type=Path,
                       help="start from the weights of this checkpoint, its vectors found by their words")  # fmt: skip
    options = parser.parse_args(arguments)
    if options.workers > 1 and options.device != "cpu":
        parser.error(f"argument --workers: expected 1 with --device {options.device}, got {options.workers}")
    if options.drawers and options.workers > 1:
        parser.error(f"argument --drawers: expected 0 with several workers, who draw for themselves; "
                     f"got {options.drawers}")  # fmt: skip
    try:
        options.config = config_of(options.core, options.sizes, "--sizes")
    except BadInput as error:
        parser.error(str(error))
    return options


def _corpus(options: argparse.Namespace) -> tuple[list[Recording], list[Recording], SampleStore]:
    return open_corpus(options.data, options.cache or options.runs / "cache", options.soundfont, sing=options.sing)


def _plan(options: argparse.Namespace) -> Plan:
    return Plan(
        minutes=options.minutes, batch=options.batch, questions=options.questions, rate=options.rate,
        seed=options.seed, soundfont=options.soundfont.name if options.soundfont else "", sing=options.sing,
        began_from=options.start.name if options.start else "", compiled=options.compile,
    )  # fmt: skip


def train(options: argparse.Namespace, workers: Workers) -> None:
    """The whole run of one worker.

    Raises:
        BadInput: what it begins with does not fit, or a recording is not media.
    """
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    torch.manual_seed(1)
    recordings, held_out, store = _corpus(options)
    concepts = vocabulary(recordings)
    plan = _plan(options)
    trainer = Trainer(QueriedSeparator(concepts, options.config), plan, options.device, workers)
    begin(trainer, options)
    scenes = SceneMaker(recordings, store, Recipe())
    mixer = Mixer(store, scenes.length, concepts, banded=trainer.model.banded,
                  phase_bins=trainer.model.phase_bins, device=options.device)  # fmt: skip
    drawing = Drawing(ExampleMaker(scenes, concepts, plan.questions, umbrellas(concepts)), plan.batch, plan.seed)
    with (
        DrawingAhead(drawing, options.drawers) as ahead,
        closing(prefetch(Twice(Share(BatchMaker(ahead, mixer), workers.rank, workers.size)), trainer.steps)) as batches,
    ):
        if not workers.leads:
            follow(trainer, batches)
            return
        logger.info("%d recordings, %d concepts, from step %d", len(recordings), len(concepts), trainer.steps)
        run(trainer, batches, options.runs, small_validation(held_out, store), CLOCKS[options.clock])


def begin(trainer: Trainer, options: argparse.Namespace) -> None:
    """Give a new trainer what its run begins with.

    Raises:
        BadInput: see `beginning`.
    """
    content = beginning.open_beginning(options)
    if content is None:
        return
    if options.resume:
        beginning.require_words(options, content["concepts"], trainer.model.concepts)
        trainer.plan = replace(trainer.plan, began_from=content["plan"].get("began_from", ""))
        if trainer.workers.leads:
            tell_changes(content["plan"], asdict(trainer.plan))
        trainer.restore(content)
        return
    new, dropped = beginning.take_weights(trainer.model, checkpoint.build(content))
    trainer.average = checkpoint.Average(trainer.model)
    if trainer.workers.leads and (new or dropped):
        logger.warning("words beside those of %s: new %s; dropped %s", options.start, new, dropped)


def main(arguments: Sequence[str] | None = None) -> int:
    """Train as the command line says; returns the exit status."""
    options = parse(sys.argv[1:] if arguments is None else arguments)
    with interruption.heard():
        try:
            return answer(COMMAND, lambda: _trained(options))
        except Stopped as stopped:
            stands = stopped.stands or "before its first step: nothing is changed, the same command begins again"
            print(f"{COMMAND}: stopped by {stopped.by} {stands}", file=sys.stderr)
            return stopped.status


def _trained(options: argparse.Namespace) -> int:
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)
    content = beginning.check(options)
    if options.resume and content and _plan(options).over(content["elapsed_s"]):
        logger.info("this run has ended: it has had %.2f minutes, %d steps, and --minutes is %g; a larger one goes on",
                    content["elapsed_s"] / 60, content["steps"], options.minutes)  # fmt: skip
        return 0
    if options.workers > 1:
        _corpus(options)  # decoded and made once: a worker may start no process of its own, and two would do it twice
    together(train, options, options.workers)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
