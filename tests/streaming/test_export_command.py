from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from streaming import export_command
from streaming.export_command import run_export


def test_arguments_and_status_pass_through(capfd: pytest.CaptureFixture[str]) -> None:
    assert run_export(["no-such-thing"]) == 2
    assert "no-such-thing" in capfd.readouterr().err


def test_an_interrupted_export_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted(subprocess.Popen[bytes]):
        waits = 0

        def wait(self, timeout: float | None = None) -> int:
            Interrupted.waits += 1
            if Interrupted.waits == 1:
                raise KeyboardInterrupt
            return super().wait(timeout)

    monkeypatch.setattr("streaming.export_command.subprocess.Popen", Interrupted)
    assert run_export(["--help"]) == export_command.INTERRUPTED
    assert Interrupted.waits >= 2


def test_an_export_ends_with_the_command_that_began_it() -> None:
    export = (
        "import os, subprocess, streaming.export_command as command, sys\n"
        "Real = subprocess.Popen\n"
        "code = 'import signal; print(1, flush=True); signal.pause()'\n"
        "command.subprocess.Popen = lambda _: Real([sys.executable, '-c', code])\n"
        "print(command.run_export([]), flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", export], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "1\n"  # the exporter runs
        process.terminate()
        assert process.stdout.readline() == f"{-signal.SIGTERM}\n"


def test_an_export_that_has_only_just_begun_ends_too() -> None:
    export = (
        "import os, signal, subprocess, streaming.export_command as command, sys\n"
        "Real = subprocess.Popen\n"
        "def begun(_):\n"
        "    process = Real([sys.executable, '-c', 'import signal; signal.pause()'])\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    return process\n"
        "command.subprocess.Popen = begun\n"
        "print(command.run_export([]), flush=True)\n"
    )
    done = subprocess.run([sys.executable, "-c", export], capture_output=True, text=True, check=True)
    assert done.stdout == f"{-signal.SIGTERM}\n"


def test_the_command_line_offers_it() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "streaming.cli", "export", "sam-audio", "--help"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert "CHECKPOINT" in done.stdout
