"""`winnow export …`: the exporters run in a process of their own, since nothing in here may know torch, or them."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence

INTERRUPTED = 130


def run_export(arguments: Sequence[str]) -> int:
    """Run `python -m export` with these arguments and this process's standard streams; its exit status."""
    # -P: a folder called `export` where the user stands must not be taken for ours
    with subprocess.Popen([sys.executable, "-P", "-m", "export", *arguments]) as process:
        # SIGTERM comes to this process alone: without this the exporter would go on for minutes, unseen.
        before = signal.signal(signal.SIGTERM, lambda number, frame: process.terminate())
        try:
            return process.wait()
        except KeyboardInterrupt:  # Ctrl-C went to both; the exporter keeps what it has finished
            process.wait()
            return INTERRUPTED
        finally:
            signal.signal(signal.SIGTERM, before)
