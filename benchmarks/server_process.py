"""The real server in a process of its own, pinned to one core: started, watched from outside, stopped with SIGTERM.

What is read of it comes from the kernel (`/proc`), not from the server: processor time, resident memory. That way the
observer costs the observed nothing.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

READY_WITHIN_S = 60.0


class ServerProcess:
    """A running server; `port` is where it listens on loopback."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self._process = process
        self.port = port

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def cpu_s(self) -> tuple[float, float]:
        """Processor seconds spent so far by all threads: in the program, in the kernel."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        tick_s = 1 / os.sysconf("SC_CLK_TCK")
        return int(fields[11]) * tick_s, int(fields[12]) * tick_s

    def rss_mb(self) -> float:
        """Resident memory in megabytes (10⁶ bytes)."""
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text(encoding="utf-8").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def get(self, path: str) -> str:
        """Body of a GET.

        Raises:
            urllib.error.URLError: no answer, or one above 399.
        """
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
            return str(answer.read().decode())


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running_server(
    model: str, core: int, settings: dict[str, str] | None = None, first: bool = False
) -> Iterator[ServerProcess]:
    """Start `winnow serve` on loopback, wait until `/readyz` says yes, stop it at the end.

    Args:
        model: bundle name or folder.
        core: pin the whole process to this core, if the machine has it.
        settings: more `WINNOW_*` variables.
        first: run it before all other programs on its core, as if it had the core for itself (needs root; up to 95 %,
            the rest the kernel keeps).

    Raises:
        RuntimeError: not ready within a minute; its last words are in the message.
    """
    port = free_port()
    outside = {name: value for name, value in os.environ.items() if not name.startswith("WINNOW_")}
    inside = {
        "WINNOW_HOST": "127.0.0.1",
        "WINNOW_PORT": str(port),
        "WINNOW_MODEL": model,
        "WINNOW_MAX_SESSIONS": "1000",
    }
    command = [sys.executable, "-m", "streaming.cli", "serve"]
    if first:
        command = ["chrt", "--rr", "1", *command]
    if core < (os.cpu_count() or 1):
        command = ["taskset", "-c", str(core), *command]
    # A file, not a pipe: nobody reads while the run goes on, and a full pipe would stop the server.
    with tempfile.TemporaryFile() as words:
        process = subprocess.Popen(
            command,
            env=outside | inside | (settings or {}),
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=subprocess.STDOUT,
        )
        try:
            server = ServerProcess(process, port)
            _wait_until_ready(server, words)
            yield server
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_ready(server: ServerProcess, words: IO[bytes]) -> None:
    limit_s = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < limit_s:
        if not server.alive:
            break
        try:
            server.get("/readyz")
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    words.seek(0)
    said = words.read().decode(errors="replace")[-2000:]
    raise RuntimeError(f"the server was not ready within {READY_WITHIN_S:.0f} s; it said:\n{said}")
