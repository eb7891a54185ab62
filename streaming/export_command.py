"""`winnow export …`: the exporters run in a process of their own, since nothing in here may know torch, or them."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence
from types import FrameType

INTERRUPTED = 130


def run_export(arguments: Sequence[str]) -> int:
    """Run `python -m export` with these arguments and this process's standard streams; its exit status."""
    process: subprocess.Popen[bytes] | None = None
    ended = False

    def end(number: int, frame: FrameType | None) -> None:
        nonlocal ended
        ended = True
        if process is not None:
            process.terminate()

    # SIGTERM comes to this process alone: without this the exporter would go on for minutes, unseen. It may come as
    # soon as there is an exporter, before `Popen` has given it a name here.
    before = signal.signal(signal.SIGTERM, end)
    try:
        # -P: a folder called `export` where the user stands must not be taken for ours
        with subprocess.Popen([sys.executable, "-P", "-m", "export", *arguments]) as process:
            if ended:
                process.terminate()
            try:
                return process.wait()
            except KeyboardInterrupt:  # Ctrl-C went to both; the exporter keeps what it has finished
                process.wait()
                return INTERRUPTED
    finally:
        signal.signal(signal.SIGTERM, before)
