from __future__ import annotations

from itertools import islice

import pytest
import torch

from export.train.batches import BatchMaker, Share, Twice, prefetch


def test_a_batch_depends_on_its_number_alone(maker: BatchMaker) -> None:
    first, other, again = maker.make(4), maker.make(5), maker.make(4)
    assert torch.equal(first.own, again.own)
    assert not torch.equal(first.own, other.own)


def test_every_batch_comes_twice_whenever_one_begins(maker: BatchMaker) -> None:
    unbroken, resumed = Twice(maker), Twice(maker)
    lag = 2 * Twice.LAG
    first = unbroken.make(2)
    assert torch.equal(first.own, maker.make(1).own)
    assert torch.equal(unbroken.make(lag + 3).own, first.own)
    assert torch.equal(resumed.make(lag + 3).own, first.own)


def test_workers_share_the_batches_of_one_run(maker: BatchMaker) -> None:
    for rank in range(2):
        assert torch.equal(Share(maker, rank, 2).make(1).own, maker.make(2 + rank).own)


def test_prefetched_batches_come_in_order(maker: BatchMaker) -> None:
    batches = list(islice(prefetch(maker, 3), 2))
    assert torch.equal(batches[1].own, maker.make(4).own)


def test_a_fault_in_the_mixing_thread_reaches_the_loop(maker: BatchMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(number: int) -> None:
        raise RuntimeError(f"batch {number}")

    monkeypatch.setattr(maker, "make", fail)
    with pytest.raises(RuntimeError, match="batch 7"):
        next(prefetch(maker, 7))
