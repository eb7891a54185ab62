"""The demo end to end: a real server process, a real WebSocket, a short scene in real time."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from streaming.demo import print_result, run_demo
from streaming.scene import Scene, Stem
from tests.streaming.media_files import read_all, tone

pytest.importorskip("matplotlib")

pytestmark = pytest.mark.timeout(150)  # a process with a model starts, which has its own limit


def test_a_short_scene_is_measured_written_and_told(tmp_path: Path) -> None:
    voice, noise = tone(60000), 0.2 * tone(60000)[:, ::-1]
    stems = (Stem("voice", frozenset({"speech"}), voice), Stem("noise", frozenset({"rain"}), noise))
    scene = Scene("A tone and its mirror", "speech", 48000, stems)
    result = run_demo(tmp_path / "out", model="identity", quiet=True, scene=scene)
    sounds = {name: read_all(tmp_path / "out" / f"{name}.wav") for name in ("input", "target", "residual")}
    np.testing.assert_array_equal(sounds["input"], scene.mixture)
    np.testing.assert_allclose(sounds["target"], scene.mixture, atol=1e-6)  # the identity model keeps everything
    assert sounds["residual"].shape == scene.mixture.shape
    assert (tmp_path / "out" / "spectrograms.png").stat().st_size > 10_000
    assert result.sum_error <= 1e-6
    assert result.algorithmic_ms == 20.0
    assert result.improvement_db == pytest.approx(0.0, abs=0.1)
    assert result.hops_while_playing <= result.hops == 125  # of one track, in however many messages they came
    assert set(result.stages_ms) == {"gather", "queue", "model", "stitch", "send"}
    # A machine that is busier than the scene is long answers after its end: nothing was measured then.
    assert (result.arrival_ms["p50"] > 0.0) == (result.hops_while_playing > 0)
    assert json.loads(json.dumps(result.as_json()))["prompt"] == "speech"
    page = io.StringIO()
    print_result(result, Console(file=page, width=80))
    for word in ("arrival", "algorithmic", "SI-SDR", "late hops", "RTF", "machine", "identity"):
        assert word in page.getvalue()
    assert str(tmp_path / "out" / "target.wav") in page.getvalue().splitlines()
