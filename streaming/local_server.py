"""The real server in a process of its own on a free port of this machine, for the demo: start, wait, stop."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from engine.errors import WinnowError
from streaming.settings import environment_names

READY_WITHIN_S = 60.0
_STOP_WITHIN_S = 15.0


class ServerNotReady(WinnowError):
    """The server did not come up; its last words are in the message."""

    code = "server_not_ready"


@contextmanager
def local_server(model: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Run `winnow serve` and give its address (`ws://127.0.0.1:PORT`) and what `/readyz` says.

    Raises:
        ServerNotReady: it ended, or was not ready in a minute.
    """
    port = _free_port()
    command = [sys.executable, "-m", "streaming.cli", "serve", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--model", model, "--log-level", "warning"]
    # Settings meant for another server (keys, limits) must not change this one.
    unset = [part for name in environment_names() for part in ("-u", name)]
    # A file and no pipe: nobody reads it while the scene plays, and a full pipe would stop the server.
    with tempfile.TemporaryFile() as words:
        process = subprocess.Popen(
            ["env", *unset, *command], stdin=subprocess.DEVNULL, stdout=words, stderr=subprocess.STDOUT
        )
        try:
            yield f"ws://127.0.0.1:{port}", _ready(process, port, words)
        finally:
            process.terminate()
            try:
                process.wait(_STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _ready(process: subprocess.Popen[bytes], port: int, words: IO[bytes]) -> dict[str, Any]:
    # Not through a proxy that the machine may have: this is our own loopback.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    limit_s = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < limit_s and process.poll() is None:
        try:
            with opener.open(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
                told: dict[str, Any] = json.load(answer)
                return told
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    words.seek(0)
    said = words.read().decode(errors="replace").strip()[-2000:]
    raise ServerNotReady(f"the demo's server did not start; it said: {said or 'nothing'}")
