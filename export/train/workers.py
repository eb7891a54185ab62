"""Several processes that train one model on one machine: each hears batches of its own, all take the same step.

Gradients are averaged before every step (synchronous data parallelism), so N workers of one core each are one run with
N times the batch. A second thread in one process gains a third, for only the matrix products use it; a second worker
nearly doubles what is heard.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from multiprocessing import connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import TypeVar

import torch
from torch import distributed
from torch.nn import Parameter

from export.train.interruption import Stopped, unheard

What = TypeVar("What")
PATIENCE = timedelta(minutes=5)
"""How long workers wait for one another: the first one's validation may lie between two steps."""
logger = logging.getLogger("winnow.export")


class Workers:
    """One worker's place among `size`; alone it averages nothing."""

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        self.rank, self.size = rank, size

    @property
    def leads(self) -> bool:
        """Whether this worker is the one whose clock counts, who logs, validates and saves."""
        return self.rank == 0

    def agree(self, parameters: Iterable[Parameter], elapsed_s: float) -> float:
        """Put the mean of all workers' gradients into `parameters`; returns the first worker's `elapsed_s`, so that
        all have one learning rate and one end.

        Raises:
            RuntimeError: another worker has ended.
        """
        if self.size == 1:
            return elapsed_s
        gradients = [p.grad for p in parameters if p.grad is not None]
        clock = torch.tensor([elapsed_s if self.leads else 0.0])
        shared = torch.cat([clock, *(gradient.flatten() for gradient in gradients)])
        distributed.all_reduce(shared)
        agreed_s, at = float(shared[0]), 1
        shared /= self.size
        for gradient in gradients:
            gradient.copy_(shared[at : at + gradient.numel()].view_as(gradient))
            at += gradient.numel()
        return agreed_s


def together(work: Callable[[What, Workers], None], what: What, size: int) -> None:
    """Run `work(what, workers)` in `size` processes at once, in this one as the first; `what` must be picklable.

    Raises:
        RuntimeError: another process ended in error (its own stands on standard error).
        Stopped: a signal came to `work` in this process; the others are gone.
    """
    if size == 1:
        work(what, Workers())
        return
    context = multiprocessing.get_context("spawn")
    others: list[SpawnProcess] = []

    def lead(what: What, workers: Workers) -> None:
        try:
            work(what, workers)
        except Stopped:  # they go before the group does, or each would complain of its loss
            _end(others)
            raise

    with tempfile.TemporaryDirectory() as folder:
        meeting = Path(folder) / "meeting"
        try:
            for rank in range(1, size):
                other = context.Process(target=_join, args=(work, what, meeting, rank, size), daemon=True)
                with unheard():
                    other.start()
                others.append(other)
            threading.Thread(target=_watch, args=(others,), daemon=True, name="watching workers").start()
            _join(lead, what, meeting, 0, size)
            for other in others:
                other.join(timeout=PATIENCE.total_seconds())
            if any(other.exitcode for other in others):
                raise RuntimeError("a worker ended in error after the last step")
        finally:
            _end(others)


def _end(others: Sequence[SpawnProcess]) -> None:
    for other in others:
        other.terminate()
        other.join()


def _watch(others: Sequence[SpawnProcess]) -> None:
    """Say at once which worker is gone: the rest notice at their next meeting, minutes later perhaps."""
    for gone in connection.wait([other.sentinel for other in others]):
        other = next(other for other in others if other.sentinel == gone)
        assert other.pid is not None
        try:  # left to be reaped: two threads that wait for one process take its exit status from each other
            ended = os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)
        except ChildProcessError:  # reaped already
            continue
        assert ended is not None
        status = ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status
        if status and status != -signal.SIGTERM:  # so the first worker ends them, or `timeout` ends all
            logger.error("%s ended with exit code %s", other.name, status)


def _join(work: Callable[[What, Workers], None], what: What, meeting: Path, rank: int, size: int) -> None:
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")  # a machine's own name need not lead anywhere
    distributed.init_process_group("gloo", init_method=meeting.as_uri(), rank=rank, world_size=size, timeout=PATIENCE)
    try:
        work(what, Workers(rank, size))
    finally:
        distributed.destroy_process_group()
