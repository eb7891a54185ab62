"""Ctrl-C and SIGTERM in a training run: it ends between two steps, and nothing that was learnt is lost.

Signals belong to the process, and so does what is kept here of them. `Stopped` is a `SystemExit`: where nobody catches
it, as in a process that was forked from this one, it ends without a word and with the status that a shell expects.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker

logger = logging.getLogger("winnow.export")

ENDING = (signal.SIGINT, signal.SIGTERM)


class Stopped(SystemExit):
    """A signal asks this process to end; `code` is the exit status that tells of it, 128 and the signal's number."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.status = code
        self.stands = ""
        """Where the run stands and how to go on, in words; empty: it took no step."""

    @property
    def by(self) -> str:
        """The signal's name."""
        return signal.Signals(self.status - 128).name


class _Signals:
    came = 0
    """Number of the signal that ends this process; 0: none came."""
    wait = False


_signals = _Signals()


def _hear(number: int, frame: object) -> None:
    if _signals.came:  # the run is ending already: a second one must not break off what ends it well
        return
    _signals.came = number
    if not _signals.wait:
        raise Stopped(128 + number)


@contextmanager
def heard() -> Iterator[None]:
    """The first signal within the block raises `Stopped`. Of the main thread alone; who was started to ignore a signal
    (`nohup`, a shell's `&`) goes on ignoring it."""
    before = {number: signal.getsignal(number) for number in ENDING}
    before = {number: handler for number, handler in before.items() if handler not in (signal.SIG_IGN, None)}
    _signals.came = 0
    for number in before:
        signal.signal(number, _hear)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _signals.came = 0


@contextmanager
def whole() -> Iterator[None]:
    """A signal waits for the end of the block.

    Raises:
        Stopped: one came, also where the block failed: another worker that got it too may have been faster to end.
    """
    _signals.wait = True
    try:
        yield
    except Exception as error:
        if _signals.came:
            logger.warning("what was broken off ended in %s: %s", type(error).__name__, error)
        raise
    finally:
        _signals.wait = False
        if _signals.came:
            raise Stopped(128 + _signals.came)


def mortal() -> None:
    """For the processes of a pool: a signal that this one hears is not a result of theirs, they end at once."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def unheard() -> Iterator[None]:
    """Processes started within the block hear no Ctrl-C, which reaches every process of a terminal: the one that
    started them ends them. In this one it waits for the end of the block."""
    resource_tracker.ensure_running()  # started within, it would let signals through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
