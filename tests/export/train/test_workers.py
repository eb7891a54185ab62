from __future__ import annotations

import multiprocessing
import signal
from pathlib import Path

import pytest
import torch

from export.models.linear import LinearConfig
from export.models.queried import QueriedSeparator
from export.train.batches import Share
from export.train.concepts import vocabulary
from export.train.interruption import Stopped
from export.train.running import follow
from export.train.scenes import Recipe, SceneMaker
from export.train.trainer import Plan, Trainer
from export.train.workers import Workers, together
from tests.export.conftest import batch_maker, tiny_recordings, tiny_store


def test_alone_nothing_is_changed() -> None:
    weight = torch.nn.Parameter(torch.ones(3))
    weight.grad = torch.tensor([1.0, 2.0, 3.0])
    assert Workers().agree([weight], 7.5) == 7.5
    assert weight.grad.tolist() == [1.0, 2.0, 3.0]
    assert Workers().leads


def _mean(folder: Path, workers: Workers) -> None:
    weight, unused = torch.nn.Parameter(torch.ones(2, 2)), torch.nn.Parameter(torch.ones(5))
    weight.grad = torch.full((2, 2), 1.0 + 2.0 * workers.rank)
    elapsed_s = workers.agree([weight, unused], 12.5 + 100 * workers.rank)
    torch.save((elapsed_s, weight.grad), folder / f"{workers.rank}.pt")


def test_two_get_the_mean_gradient_and_the_first_ones_clock(tmp_path: Path) -> None:
    together(_mean, tmp_path, 2)
    for rank in range(2):
        elapsed_s, gradient = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        assert elapsed_s == 12.5
        assert gradient.tolist() == [[2.0, 2.0], [2.0, 2.0]]


def _train(folder: Path, workers: Workers) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(1)
    recordings = tiny_recordings()
    concepts = vocabulary(recordings)
    model = QueriedSeparator(concepts, LinearConfig(width=16, inner=16, blocks=2, query=8))
    trainer = Trainer(model, Plan(minutes=1.0, batch=2, bf16=False), workers=workers)
    store = tiny_store(recordings)
    maker = batch_maker(SceneMaker(recordings, store, Recipe(seconds=0.5)), store, concepts, size=2)
    shared = Share(maker, workers.rank, workers.size)
    trainer.elapsed_s = 30.0  # the followers' own clocks do not count: see `follow` below
    for number in range(3):
        trainer.step(shared.make(number))
    trainer.elapsed_s = 60.0 if workers.leads else 0.0
    follow(trainer, (shared.make(number) for number in range(3, 9)))
    torch.save((trainer.steps, model.state_dict()), folder / f"{workers.rank}.pt")


def test_two_that_hear_different_batches_keep_the_same_weights_and_end_together(tmp_path: Path) -> None:
    together(_train, tmp_path, 2)
    (steps, first), (others, second) = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    assert steps == others == 4
    for name, value in first.items():
        torch.testing.assert_close(second[name], value, rtol=0, atol=0)


def _step(workers: Workers) -> None:
    weight = torch.nn.Parameter(torch.ones(1))
    weight.grad = torch.ones(1)
    workers.agree([weight], 0.0)


def _leave(folder: Path, workers: Workers) -> None:
    if not workers.leads:
        raise ValueError("a worker that cannot go on")
    _step(workers)


def test_a_worker_that_ends_early_ends_the_run(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        together(_leave, tmp_path, 2)


def _fail_at_the_end(folder: Path, workers: Workers) -> None:
    _step(workers)  # or one may still be joining while the other is gone
    if not workers.leads:
        raise ValueError("a worker that fails when all is done")


def test_a_worker_that_fails_after_the_last_step_is_told(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="after the last step"):
        together(_fail_at_the_end, tmp_path, 2)


def _stop(folder: Path, workers: Workers) -> None:
    if not workers.leads:
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        (folder / "deaf to Ctrl-C").write_text(str(signal.SIGINT in blocked), encoding="utf-8")
    _step(workers)
    if workers.leads:
        raise Stopped(143)
    _step(workers)  # waits for the first one


def test_a_signal_to_the_first_ends_all_without_a_word(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Stopped):
        together(_stop, tmp_path, 2)
    assert not multiprocessing.active_children()
    assert "Traceback" not in capfd.readouterr().err
    assert (tmp_path / "deaf to Ctrl-C").read_text(encoding="utf-8") == "True"
