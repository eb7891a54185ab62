"""Long preparation shown while it goes on: a bar on a terminal, a line in the log now and then where there is none."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

logger = logging.getLogger("winnow.export")

LOG_EVERY_S = 10.0
DRAW_EVERY_S = 0.2


@contextmanager
def counted(
    what: str, total: int, clock: Callable[[], float] = time.monotonic, console: Console | None = None
) -> Iterator[Callable[[int], None]]:
    """Gives the function to call with how many of `total` are done; the bar goes when the block is left.

    Args:
        what: what is going on, as "making procedural sounds".
        total: how many there are to be.
        clock: seconds.
        console: where the bar is drawn; None: standard error.
    """
    console = console or Console(stderr=True)
    # Drawn from `tell` alone: a thread that draws would be there when worker processes are forked.
    bar = Progress(
        TextColumn("[bold]{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=console, transient=True, disable=not console.is_terminal, auto_refresh=False,
    )  # fmt: skip
    task = bar.add_task(what, total=total)
    every_s = DRAW_EVERY_S if console.is_terminal else LOG_EVERY_S
    last_s = clock()

    def tell(done: int) -> None:
        nonlocal last_s
        if clock() - last_s < every_s:
            return
        last_s = clock()
        if console.is_terminal:
            bar.update(task, completed=done, refresh=True)
        else:
            logger.info("%s: %d of %d", what, done, total)

    with bar:
        yield tell
