"""How a model is trained: the plan of a run, and the steps of it with all that a checkpoint must hold to go on.

The learning rate follows the clock and not the steps: a run ends well however fast the machine is.
"""

from __future__ import annotations

import logging
import math
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from export.models.queried import QueriedSeparator
from export.train import checkpoint
from export.train.losses import Heard, Losses, Weights, judge
from export.train.mixing import Batch
from export.train.workers import Workers

logger = logging.getLogger("winnow.export")


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
    compiled: bool = False
    """Losses in fused loops, made by torch's compiler: a quarter of their time."""
    soundfont: str = ""
    """Name of the soundfont that instruments were played with; empty: none."""
    sing: bool = False
    began_from: str = ""
    """Name of the checkpoint whose weights it began with; empty: from nothing."""

    def over(self, elapsed_s: float) -> bool:
        """Whether its minutes have passed."""
        return elapsed_s >= 60 * self.minutes


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
        self._judge = torch.compile(judge, dynamic=False) if plan.compiled else judge
        self.average = checkpoint.Average(self.model)
        self.optimiser = torch.optim.AdamW(self.model.parameters(), lr=plan.rate, weight_decay=1e-2, fused=True)
        self.steps = 0
        self.elapsed_s = 0.0
        self.cpu_s = 0.0
        self.last_state: Tensor | None = None

    @property
    def over(self) -> bool:
        """Whether the plan's minutes have passed."""
        return self.plan.over(self.elapsed_s)

    def step(self, batch: Batch) -> Losses:
        """One descent. Half of the sequences start where another one ended: a live session's state is never new."""
        own, questions = batch.own, batch.asked.shape[1]
        target, across, asked, hint, truth = (
            tensor.flatten(0, 1) for tensor in (batch.target, batch.across, batch.asked, batch.hint, batch.active)
        )
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.plan.bf16):
            logits, active, state = self.model.answer(
                own, batch.advance, asked, hint, self._start(len(asked), questions)
            )
        own, scored = (x.repeat_interleave(questions, 0) for x in (own, batch.scored))
        heard = Heard(own, target, across, scored)
        losses: Losses = self._judge(logits.float(), active.float(), heard, truth, Weights())
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
