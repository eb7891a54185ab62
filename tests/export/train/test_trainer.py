from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from export.models.queried import QueriedSeparator
from export.train import checkpoint
from export.train.batches import BatchMaker
from export.train.cache import SampleStore
from export.train.scenes import SceneMaker
from export.train.trainer import Plan, Trainer, rate_at
from tests.export.conftest import batch_maker

PLAN = Plan(minutes=1.0, batch=3, rate=1e-3, bf16=False, log_every=2, save_every_s=15.0)


def test_the_rate_warms_up_and_falls() -> None:
    plan = Plan(rate=1.0, warm_up=0.1, last_rate=0.02)
    assert rate_at(0.05, plan) == pytest.approx(0.5)
    assert rate_at(0.1, plan) == pytest.approx(1.0)
    assert rate_at(1.0, plan) == pytest.approx(0.02)
    assert rate_at(2.0, plan) == pytest.approx(0.02)


def test_steps_on_one_batch_descend(model: QueriedSeparator, maker: BatchMaker) -> None:
    trainer, batch = Trainer(model, PLAN), maker.make(0)
    trainer.elapsed_s = 5.0
    losses = [float(trainer.step(batch).total.detach()) for _ in range(12)]
    assert losses[-1] < losses[0] - 0.02


def test_bfloat16_steps_stay_finite(model: QueriedSeparator, maker: BatchMaker) -> None:
    trainer = Trainer(model, Plan())
    assert torch.isfinite(trainer.step(maker.make(0)).total)


def test_a_step_without_a_finite_gradient_changes_nothing(model: QueriedSeparator, maker: BatchMaker) -> None:
    trainer, batch = Trainer(model, PLAN), maker.make(0)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    trainer.step(dataclasses.replace(batch, own=batch.own * torch.nan))
    assert trainer.steps == 1
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)
    assert torch.isfinite(trainer.step(batch).total)


FUSED = """
import torch
from export.models.linear import LinearConfig
from export.models.queried import QueriedSeparator
from export.train.mixing import Batch
from export.train.trainer import Plan, Trainer

torch.set_num_threads(1)
torch.manual_seed(0)
power = torch.rand(2, 20, 160)
batch = Batch(power, torch.zeros(2, 20, 192), power[:, None] * 0.4, power[:, None] * 0.6, torch.ones(2, 1, 1),
              torch.ones(2, 1, 20), torch.zeros(2, 1, 20, 2), torch.ones(2, 1, 160))
for compiled in (False, True):
    torch.manual_seed(0)
    model = QueriedSeparator(["rain"], LinearConfig(width=8, inner=8, blocks=2, query=8))
    print(float(Trainer(model, Plan(bf16=False, compiled=compiled)).step(batch).total))
"""


@pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler to fuse the losses with")
@pytest.mark.timeout(300)
def test_fused_losses_are_the_losses(tmp_path: Path) -> None:
    """In a process of its own: torch's compiler warns of itself, and a warning ends a test here. With a cache of its
    own: another one may hold code for wider vectors than this processor is told to use."""
    own = {**os.environ, "TORCHINDUCTOR_CACHE_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", FUSED], env=own, capture_output=True, text=True, check=True)
    plain, fused = map(float, done.stdout.split())
    assert fused == pytest.approx(plain, rel=1e-4)


def test_a_flat_core_is_trained_on_bins(flat_model: QueriedSeparator, scenes: SceneMaker, store: SampleStore) -> None:
    maker = batch_maker(scenes, store, flat_model.concepts, size=3, banded=flat_model.banded)
    trainer = Trainer(flat_model, PLAN)
    assert all(torch.isfinite(trainer.step(maker.make(number)).total) for number in range(2))
    assert trainer.last_state is not None
    assert trainer.last_state.shape == (2, 6, 32)


def test_a_resumed_run_ends_like_an_unbroken_one(model: QueriedSeparator, maker: BatchMaker, tmp_path: Path) -> None:
    """To the bit: same batches, same optimiser, same states, same learning rates."""
    start = {name: value.clone() for name, value in model.state_dict().items()}

    def fresh() -> Trainer:
        other = QueriedSeparator(model.concepts, model.core.config)
        other.load_state_dict(start)
        return Trainer(other, PLAN)

    def advance(trainer: Trainer, steps: int) -> None:
        for _ in range(steps):
            trainer.step(maker.make(trainer.steps))
            trainer.elapsed_s += 5.0

    whole, first, second = fresh(), fresh(), fresh()
    advance(whole, 5)
    advance(first, 3)
    checkpoint.save(tmp_path / "latest.pt", first.content())
    second.restore(checkpoint.load(tmp_path / "latest.pt"))
    advance(second, 2)
    assert second.steps == 5
    for name, value in whole.model.state_dict().items():
        torch.testing.assert_close(second.model.state_dict()[name], value, rtol=0, atol=0)
        torch.testing.assert_close(second.average.weights[name], whole.average.weights[name], rtol=0, atol=0)


def test_a_plan_is_over_with_its_minutes() -> None:
    assert not PLAN.over(59.9)
    assert PLAN.over(60.0)
