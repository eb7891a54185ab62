"""`benchmarks.peers` from end to end on a folder made by formula, and what it makes of scores."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.peers import gains, spread, table
from benchmarks.peers_picture import draw
from benchmarks.peers_scores import Score
from tests.benchmarks.recordings import make_folder

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.timeout(240)  # a whole run: seconds where it is alone, a minute where it is not


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any], Path]:
    """What a run with the identity model printed, its last line, and its picture."""
    folder = tmp_path_factory.mktemp("peers")
    data = make_folder(folder)
    picture = folder / "peers.png"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.peers", "--data", str(data), "--all-recordings", "--model", "identity",
         "--per-snr", "1", "--seconds", "1.2", "--snr", "0", "10", "--peers", str(folder), "--picture", str(picture)],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    lines = done.stdout.strip().splitlines()
    return "\n".join(lines[:-1]), json.loads(lines[-1]), picture


def test_every_peer_stands_in_the_result_and_in_the_table(outcome: tuple[str, dict[str, Any], Path]) -> None:
    printed, result, _ = outcome
    names = {row["name"] for row in (*result["peers"], *result["absent"])}
    assert {"Winnow", "DTLN", "GTCRN", "RNNoise", "WebRTC NS", "SpeexDSP", "noisereduce"} <= names
    for name in names:
        assert name in printed
    assert "DTLN          absent: dtln/model_1.onnx and dtln/model_2.onnx not in" in printed


def test_the_identity_gains_nothing_and_its_latency_is_the_specs(outcome: tuple[str, dict[str, Any], Path]) -> None:
    _, result, _ = outcome
    (ours,) = (row for row in result["peers"] if row["name"] == "Winnow")
    assert result["mixtures"] == 2
    assert ours["gain"]["all"]["si_sdr_db"]["mean"] == pytest.approx(0.0, abs=0.02)
    assert (ours["lag_ms"], ours["latency_ms"], ours["hop_ms"]) == (10.0, 20.0, 10.0)
    assert ours["rtf"] > 0
    assert result["unprocessed"]["+10 dB"]["si_sdr_db"]["mean"] == pytest.approx(10.0, abs=1.5)
    assert result["ceiling"]["all"]["si_sdr_db"]["mean"] > 3


def test_the_picture_is_small(outcome: tuple[str, dict[str, Any], Path]) -> None:
    data = outcome[2].read_bytes()
    assert data.startswith(b"\x89PNG")
    assert len(data) < 150_000


def test_a_folder_without_speech_is_refused_in_words(tmp_path: Path) -> None:
    manifest = make_folder(tmp_path) / "manifest.csv"
    manifest.write_text(manifest.read_text(encoding="utf-8").replace("speech", "piano"), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.peers", "--data", str(tmp_path), "--all-recordings", "--model", "identity"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "holds no speech" in done.stderr


def test_gains_are_differences_by_ratio_and_skip_what_was_not_measured() -> None:
    before = [Score(0.0, 1.0, 0.5), Score(0.0, 1.0, 0.5), Score(10.0, None, 0.8)]
    after = [Score(4.0, 1.5, 0.6), Score(6.0, None, 0.8), Score(11.0, 2.0, 0.7)]
    rows = gains(after, before, [0.0, 0.0, 10.0])
    assert list(rows) == ["+0 dB", "+10 dB", "all"]
    assert rows["+0 dB"]["si_sdr_db"] == {"mean": 5.0, "standard_error": 1.0, "median": 5.0, "count": 2}
    assert rows["+0 dB"]["pesq"]["count"] == 1
    assert rows["+10 dB"]["pesq"] is None
    assert rows["all"]["stoi"]["mean"] == pytest.approx(0.1)


def test_nothing_has_no_spread() -> None:
    assert spread([], 2) is None


def made_result() -> dict[str, Any]:
    """A result without PESQ and STOI, one peer that streams, one that does not, one that is absent."""
    scores, nothing = [Score(3.0, None, None)] * 2, [Score(0.0, None, None)] * 2
    gain = gains(scores, nothing, [0.0, 10.0])
    row = {"rate_hz": 16000, "lag_ms": 8.0, "rtf": 0.01, "gain": gain, "origin": "made"}
    costs = {"p50": 0.1, "p95": 0.1, "p99": 0.1, "max": 0.1}
    live = {"name": "Winnow", "hop_ms": 10.0, "latency_ms": 18.0, "compute_ms_per_hop": costs, **row}
    whole = {"name": "whole", "hop_ms": None, "latency_ms": None, "compute_ms_per_hop": {}, **row}
    return {
        "model": "m", "prompt": "speech", "mixtures": 2, "seconds": 4.0, "unprocessed": gain, "ceiling": gain,
        "peers": [live, whole], "absent": [{"name": "PESQ", "reason": "not installed"}],
    }  # fmt: skip


def test_table_and_picture_do_without_what_is_not_there(tmp_path: Path) -> None:
    lines = list(table(made_result()))
    assert any(line.startswith("whole") and "whole recording" in line for line in lines)
    assert lines[-1].split() == ["PESQ", "absent:", "not", "installed"]
    draw(made_result(), tmp_path / "made.png")
    assert (tmp_path / "made.png").stat().st_size > 1000
