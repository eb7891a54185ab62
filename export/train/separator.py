"""Train the embedded separator: `python -m export.train.separator --data DIR [--minutes N] [--resume]`.

The learning rate follows the clock (warm-up, then a cosine to 2 % at the last minute), so a run ends well however fast
the machine is. A run keeps `latest.pt` (to resume) and one line of JSON for each thing worth knowing in `log.jsonl`; a
folder that holds a `latest.pt` is only gone on with, never begun anew. Exit status: 0 done, 1 the disk, 2 a mistake in
what was asked for or given.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine.errors import BadInput
from export.command_line import above_zero, answer, json_value, whole
from export.models.queried import CONFIGS, QueriedSeparator, config_of, core_name
from export.train import beginning, checkpoint
from export.train.batches import BatchMaker, Share, Twice, prefetch
from export.train.cache import SampleStore, open_recordings
from export.train.concepts import umbrellas, vocabulary
from export.train.corpus import Recording
from export.train.drawing import Drawing, DrawingAhead
from export.train.examples import ExampleMaker
from export.train.losses import Heard, Losses, Weights, judge
from export.train.mixing import Batch, Mixer
from export.train.mixtures import held_out_mixtures
from export.train.scenes import Recipe, SceneMaker
from export.train.synthetic import synthetic_recordings
from export.train.validation import score
from export.train.workers import Workers, together

logger = logging.getLogger("winnow.export")

COMMAND = "python -m export.train.separator"
LOG_FORMAT = "%(asctime)s %(name)s %(message)s"
Clock = Callable[[], float]
CLOCKS: dict[str, Clock] = {"wall": time.monotonic, "cpu": time.process_time}
"""Seconds of the clock on the wall, or of this process's own work: the fair one on a machine that is shared."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a run goes. `minutes` is the whole run's length, resumed parts counted in."""

    minutes: float = 60.0
    batch: int = 24
    questions: int = 2
    rate: float = 2e-3
    warm_up: float = 0.02
    last_rate: float = 0.02
    clip: float = 1.0
    carry: float = 0.5
    seed: int = 1
    log_every: int = 50
    save_every_s: float = 120.0
    validate_every_s: float = 3600.0
    bf16: bool = True
    soundfont: str = ""
    """Name of the soundfont that instruments were played with; empty: none."""
    sing: bool = False
    began_from: str = ""
    """Name of the checkpoint whose weights it began with; empty: from nothing."""


def rate_at(progress: float, plan: Plan) -> float:
    """Learning rate at `progress` (0 start, 1 end): linear warm-up, cosine to `last_rate` of the peak."""
    if progress < plan.warm_up:
        return plan.rate * max(progress / plan.warm_up, 0.01)
    through = min((progress - plan.warm_up) / (1 - plan.warm_up), 1.0)
    return plan.rate * (plan.last_rate + (1 - plan.last_rate) * (0.5 + 0.5 * math.cos(math.pi * through)))


class Trainer:
    """One run: model, running mean, optimiser, and the states its sequences ended in."""

    def __init__(
        self, model: QueriedSeparator, plan: Plan, device: str = "cpu", workers: Workers | None = None
    ) -> None:
        self.model = model.to(device)
        self.plan = plan
        self.workers = workers or Workers()
        self.device = torch.device(device)
        self.average = checkpoint.Average(self.model)
        self.optimiser = torch.optim.AdamW(self.model.parameters(), lr=plan.rate, weight_decay=1e-2, fused=True)
        self.steps = 0
        self.elapsed_s = 0.0
        self.cpu_s = 0.0
        self.last_state: Tensor | None = None

    def step(self, batch: Batch) -> Losses:
        """One descent. Half of the sequences start where another one ended: a live session's state is never new."""
        own, questions = batch.own, batch.asked.shape[1]
        target, across, asked, hint, truth = (
            tensor.flatten(0, 1) for tensor in (batch.target, batch.across, batch.asked, batch.hint, batch.active)
        )
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.plan.bf16):
            logits, active, state = self.model.answer(own, asked, hint, self._start(len(asked), questions))
        own, scored = (x.repeat_interleave(questions, 0) for x in (own, batch.scored))
        losses = judge(logits.float(), active.float(), Heard(own, target, across, scored), truth, Weights())
        self.optimiser.zero_grad(set_to_none=True)
        losses.total.backward()  # type: ignore[no-untyped-call]
        self.elapsed_s = self.workers.agree(self.model.parameters(), self.elapsed_s)
        for group in self.optimiser.param_groups:
            group["lr"] = rate_at(self.elapsed_s / (60 * self.plan.minutes), self.plan)
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.plan.clip)
        self.steps += 1
        if not torch.isfinite(norm):  # one such step would undo the run
            logger.warning("step %d has no finite gradient: left out", self.steps)
            self.last_state = None
            return losses
        self.optimiser.step()
        self.average.update(self.model, self.steps)
        self.last_state = state.detach().float()
        return losses

    def _start(self, size: int, questions: int) -> Tensor:
        state = self.model.initial_state(size)
        if self.last_state is not None and self.last_state.shape == state.shape:
            carried = int(size // questions * self.plan.carry) * questions
            state[:, :carried] = self.last_state.roll(questions, 1)[:, :carried]
        return state

    def content(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        return {
            **checkpoint.describe(self.model),
            "model": self.model.state_dict(),
            "ema": self.average.weights,
            "optimiser": self.optimiser.state_dict(),
            "steps": self.steps,
            "elapsed_s": self.elapsed_s,
            "cpu_s": self.cpu_s,
            "last_state": self.last_state,
            "plan": asdict(self.plan),
            "workers": self.workers.size,
        }

    def restore(self, content: dict[str, Any]) -> None:
        """Go on from a checkpoint.

        Raises:
            RuntimeError: it belongs to a model of another shape.
        """
        self.model.load_state_dict(content["model"])
        self.average.weights = {name: value.float().to(self.device) for name, value in content["ema"].items()}
        self.optimiser.load_state_dict(content["optimiser"])
        self.steps, self.elapsed_s = int(content["steps"]), float(content["elapsed_s"])
        self.cpu_s = float(content.get("cpu_s", 0.0))
        last = content["last_state"]
        self.last_state = None if last is None else last.to(self.device)


class RunLog:
    """One JSON object a line, appended and flushed."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path

    def write(self, **entry: Any) -> None:
        """Append `entry`, numbers rounded to 5 places."""
        rounded = {key: round(value, 5) if isinstance(value, float) else value for key, value in entry.items()}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(rounded) + "\n")


def run(trainer: Trainer, batches: Iterable[Batch], folder: Path, validate: Callable[[Trainer], dict[str, Any]] | None,
        clock: Clock = time.monotonic) -> None:  # fmt: skip
    """Train until the plan's minutes are over, logging, validating and saving into `folder` on the way."""
    log, plan = RunLog(folder / "log.jsonl"), trainer.plan
    before, worked_before = clock() - trainer.elapsed_s, time.process_time() - trainer.cpu_s
    saved = validated = trainer.elapsed_s
    log.write(
        event="start",
        steps=trainer.steps,
        elapsed_s=trainer.elapsed_s,
        threads=torch.get_num_threads(),
        workers=trainer.workers.size,
        core=core_name(trainer.model.core.config),
        sizes=asdict(trainer.model.core.config),
        **asdict(plan),
    )
    sums: dict[str, float] = {}
    summed = 0
    for batch in batches:
        trainer.elapsed_s, trainer.cpu_s = clock() - before, time.process_time() - worked_before
        losses = trainer.step(batch)
        for name in ("total", "spectral", "si_sdr_db", "active", "absent_db"):
            sums[name] = sums.get(name, 0.0) + float(getattr(losses, name).detach())
        summed += 1
        if trainer.steps % plan.log_every == 0:
            means = {name: value / summed for name, value in sums.items()}
            log.write(event="train", steps=trainer.steps, elapsed_s=trainer.elapsed_s, **means)
            sums, summed = {}, 0
        done = trainer.elapsed_s >= 60 * plan.minutes
        if done or trainer.elapsed_s - saved > plan.save_every_s:
            checkpoint.save(folder / beginning.LATEST, trainer.content())
            saved = trainer.elapsed_s
        if validate is not None and (done or trainer.elapsed_s - validated > plan.validate_every_s):
            log.write(event="validation", steps=trainer.steps, elapsed_s=trainer.elapsed_s, **validate(trainer))
            validated = trainer.elapsed_s = clock() - before
        if done:
            break
    log.write(event="end", steps=trainer.steps, elapsed_s=trainer.elapsed_s)


def follow(trainer: Trainer, batches: Iterable[Batch]) -> None:
    """Take every step that the first worker takes, until its minutes are over."""
    for batch in batches:
        trainer.step(batch)
        if trainer.elapsed_s >= 60 * trainer.plan.minutes:
            break


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
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
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
    parser.add_argument("--core", choices=tuple(CONFIGS), default="linear")
    parser.add_argument("--sizes", type=json_value, default={}, help='JSON of the core\'s sizes: {"width": 256}')
    parser.add_argument("--batch", type=whole(1), default=Plan().batch, help="mixtures of two seconds in a step")
    parser.add_argument("--questions", type=whole(1), default=Plan().questions, help="questions asked of each mixture")
    parser.add_argument("--rate", type=above_zero, default=Plan().rate, help="highest learning rate")
    parser.add_argument("--seed", type=whole(0), default=Plan().seed, help="of the mixtures")
    parser.add_argument("--clock", choices=tuple(CLOCKS), default="wall", help="what --minutes counts")
    parser.add_argument("--threads", type=whole(1, 1024), default=1, help="of each worker's matrix products")
    parser.add_argument("--workers", type=whole(1, 1024), default=1,
                        help="processes, each with --batch mixtures of its own in a step (CPU)")  # fmt: skip
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
    plan = Plan(
        minutes=options.minutes, batch=options.batch, questions=options.questions, rate=options.rate,
        seed=options.seed, soundfont=options.soundfont.name if options.soundfont else "", sing=options.sing,
        began_from=options.start.name if options.start else "",
    )  # fmt: skip
    trainer = Trainer(QueriedSeparator(concepts, options.config), plan, options.device, workers)
    begin(trainer, options)
    scenes = SceneMaker(recordings, store, Recipe())
    mixer = Mixer(store, scenes.length, concepts, banded=trainer.model.banded, device=options.device)
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
    return answer(COMMAND, lambda: _trained(options))


def _trained(options: argparse.Namespace) -> int:
    beginning.check(options)
    if options.workers > 1:
        logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)
        _corpus(options)  # decoded and made once: a worker may start no process of its own, and two would do it twice
    together(train, options, options.workers)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
