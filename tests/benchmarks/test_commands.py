"""Every benchmark can be asked what it does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHARED = {
    "gaussian_flow", "load", "mixtures", "one_mask", "peers_picture", "peers_scores", "peers_streams", "report",
    "sam_audio_backends", "sam_audio_checkpoint", "sam_audio_sizes", "server_process", "solver_curve_picture",
    "webrtc_client", "webrtc_stock",
}  # fmt: skip
OF_TORCH = {"sam_audio", "sam_audio_export", "sam_audio_window", "solver_curve"}
"""These measure torch's models: without it there is nothing to ask them."""

QUESTIONS = sorted(path.stem for path in (ROOT / "benchmarks").glob("[a-z]*.py") if path.stem not in SHARED)


@pytest.mark.parametrize("name", QUESTIONS)
def test_help_explains_regime_and_floor(name: str) -> None:
    if name in OF_TORCH:
        pytest.importorskip("torch", reason="torch (extra sam-audio) is not installed")
    asked = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "Regime:" in asked.stdout
    assert "Floor" in asked.stdout


@pytest.mark.parametrize("name", sorted({*OF_TORCH, "sam_audio_backends"}))
def test_without_torch_one_line_says_so(name: str) -> None:
    script = f"import runpy, sys; sys.modules['torch'] = None; runpy.run_module('benchmarks.{name}', None, '__main__')"
    asked = subprocess.run([sys.executable, "-c", script, "--help"], cwd=ROOT, capture_output=True, text=True)
    assert asked.returncode == 2
    assert "needs the package 'torch': pip install 'winnow-live[sam-audio]'" in asked.stderr
    assert asked.stderr.count("\n") == 1


@pytest.mark.parametrize(("words", "status", "said"), [(("--help",), 0, "PORT"), (("x",), 2, "got 'x'")])
def test_the_stock_server_reads_its_command_line(words: tuple[str, ...], status: int, said: str) -> None:
    asked = subprocess.run(
        [sys.executable, "-m", "benchmarks.webrtc_stock", *words], cwd=ROOT, capture_output=True, text=True
    )
    assert asked.returncode == status
    assert said in asked.stdout + asked.stderr
    assert "Traceback" not in asked.stderr


def test_the_questions_that_the_readme_rests_on_are_there() -> None:
    assert {"stitching", "hop_latency", "sessions", "end_to_end", "quality", "files"} <= set(QUESTIONS)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("sessions", "--hop-ms", "15"), "sessions: hop: expected 10ms or 20ms or 40ms, got '15ms'"),
        (("files", "--model", "no_such"), "no_such"),
    ],
)
def test_a_wrong_flag_is_one_line(words: tuple[str, ...], said: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{words[0]}", *words[1:]], cwd=ROOT, capture_output=True, text=True
    )
    assert ran.returncode == 2
    assert said in ran.stderr
    assert ran.stderr.count("\n") == 1
