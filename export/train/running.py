"""A run from its first step to its last: by the clock, with a log, validations and checkpoints on the way."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from export.models.queried import core_name
from export.train import beginning, checkpoint, interruption
from export.train.interruption import Stopped
from export.train.mixing import Batch
from export.train.trainer import Trainer

Clock = Callable[[], float]
CLOCKS: dict[str, Clock] = {"wall": time.monotonic, "cpu": time.process_time}
"""Seconds of the clock on the wall, or of this process's own work: the fair one on a machine that is shared."""


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
    """Train until the plan's minutes are over, logging, validating and saving into `folder` on the way.

    Raises:
        Stopped: by a signal; all steps are saved, and it says where the run stands.
    """
    log, first = RunLog(folder / "log.jsonl"), trainer.steps
    try:
        _run(trainer, batches, folder, log, validate, clock)
    except Stopped as stopped:
        if trainer.steps > first:
            checkpoint.save(folder / beginning.LATEST, trainer.content())
            log.write(event="stopped", by=stopped.by, steps=trainer.steps, elapsed_s=trainer.elapsed_s)
            stopped.stands = _stands(trainer, folder)
        raise
    log.write(event="end", steps=trainer.steps, elapsed_s=trainer.elapsed_s)


def _stands(trainer: Trainer, folder: Path) -> str:
    minutes, more = trainer.plan.minutes, " and a larger --minutes" if trainer.over else ""
    at = f"at step {trainer.steps}, after {trainer.elapsed_s / 60:.2f} of {minutes:g} minutes"
    return f"{at}: the same command with --resume{more} goes on from {folder / beginning.LATEST}"


def _run(trainer: Trainer, batches: Iterable[Batch], folder: Path, log: RunLog,
         validate: Callable[[Trainer], dict[str, Any]] | None, clock: Clock) -> None:  # fmt: skip
    plan = trainer.plan
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
        with interruption.whole():  # half a step is nothing to go on from
            trainer.elapsed_s, trainer.cpu_s = clock() - before, time.process_time() - worked_before
            losses = trainer.step(batch)
            for name in ("total", "spectral", "si_sdr_db", "active", "absent_db"):
                sums[name] = sums.get(name, 0.0) + float(getattr(losses, name).detach())
            summed += 1
            if trainer.steps % plan.log_every == 0:
                means = {name: value / summed for name, value in sums.items()}
                log.write(event="train", steps=trainer.steps, elapsed_s=trainer.elapsed_s, **means)
                sums, summed = {}, 0
            done = trainer.over
            if done or trainer.elapsed_s - saved > plan.save_every_s:
                checkpoint.save(folder / beginning.LATEST, trainer.content())
                saved = trainer.elapsed_s
        if validate is not None and (done or trainer.elapsed_s - validated > plan.validate_every_s):
            log.write(event="validation", steps=trainer.steps, elapsed_s=trainer.elapsed_s, **validate(trainer))
            validated = trainer.elapsed_s = clock() - before
        if done:
            break


def follow(trainer: Trainer, batches: Iterable[Batch]) -> None:
    """Take every step that the first worker takes, until its minutes are over."""
    for batch in batches:
        trainer.step(batch)
        if trainer.over:
            break
