from __future__ import annotations

import itertools
import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from export.models.queried import QueriedSeparator
from export.train import checkpoint, interruption
from export.train.batches import BatchMaker
from export.train.interruption import Stopped
from export.train.losses import Losses
from export.train.mixing import Batch
from export.train.running import run
from export.train.trainer import Plan, Trainer

PLAN = Plan(minutes=1.0, batch=3, rate=1e-3, bf16=False, log_every=2, save_every_s=15.0)


def clock(step_s: float = 5.0) -> Callable[[], float]:
    """A clock on which every step takes five seconds."""
    return itertools.count(100.0, step_s).__next__


def test_a_run_ends_by_the_clock_and_leaves_log_and_checkpoint(
    model: QueriedSeparator, maker: BatchMaker, tmp_path: Path
) -> None:
    batches = (maker.make(number) for number in itertools.count())
    run(Trainer(model, PLAN), batches, tmp_path, lambda trainer: {"mean_db": 1.0}, clock())
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    events = [line["event"] for line in lines]
    assert events[0] == "start"
    assert events[-2:] == ["validation", "end"]
    assert events.count("train") == 6
    assert lines[-1]["steps"] == 12
    assert checkpoint.load(tmp_path / "latest.pt")["steps"] == 12


@pytest.mark.parametrize("within_a_step", [True, False])
def test_a_signal_ends_a_run_between_two_steps(
    model: QueriedSeparator, maker: BatchMaker, tmp_path: Path, within_a_step: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer, taken = Trainer(model, PLAN), Trainer.step

    def step(self: Trainer, batch: Batch) -> Losses:
        if within_a_step and self.steps == 2:
            signal.raise_signal(signal.SIGINT)
        return taken(self, batch)

    def batches() -> Iterator[Batch]:
        for number in itertools.count():
            if not within_a_step and number == 3:
                signal.raise_signal(signal.SIGINT)
            yield maker.make(number)

    monkeypatch.setattr(Trainer, "step", step)
    with pytest.raises(Stopped) as stopped, interruption.heard():
        run(trainer, batches(), tmp_path, None, clock())
    path = tmp_path / "latest.pt"
    assert stopped.value.stands == (
        f"at step 3, after 0.25 of 1 minutes: the same command with --resume goes on from {path}"
    )
    content = checkpoint.load(path)
    assert (content["steps"], content["elapsed_s"]) == (3, 15.0)
    for name, value in model.state_dict().items():
        torch.testing.assert_close(content["model"][name], value, rtol=0, atol=0)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert lines[-1] == {"event": "stopped", "by": "SIGINT", "steps": 3, "elapsed_s": 15.0}
