"""`benchmarks.sam_audio`: the floor is the known one, windows add up, and what could not be measured is named."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="torch (extra sam-audio) is not installed")
pytest.importorskip("onnx", reason="onnx (extra sam-audio) is not installed")

from benchmarks.sam_audio import Run, absent, floors, graphs_of, in_order, measure_all, options, windows_of
from benchmarks.sam_audio_sizes import Floor, config_of, floor_of


@pytest.mark.parametrize(("size", "gflop"), [("small", 105), ("base", 247), ("large", 635)])
def test_the_floor_is_the_one_counted_by_hand(size: str, gflop: float) -> None:
    """Within 2 % of the counts for 125 frames that the team wrote down from the architecture."""
    assert floor_of(config_of(size), 1, 125, 8, 2).flops / 1e9 == pytest.approx(gflop, rel=0.02)


def test_the_floor_is_the_larger_of_two_times() -> None:
    floor = Floor(flops=2e12, weight_bytes=1e9)
    assert floor.milliseconds(1e15, 1e12) == 2.0
    assert floor.milliseconds(1e16, 1e12) == 1.0
    assert "ms" not in floors(["small"], 125, None, 2)["small x1"]


def test_a_window_is_its_evaluations_and_its_codec() -> None:
    row = {"ms": {"1x125": 10.0, "4x125": 12.0}}
    codec = {"low_latency": {"1": 8.0, "4": 16.0}, "balanced": {"1": 8.0, "4": 16.0}}
    found = windows_of(row, codec, 125)
    assert found["low_latency"] == {"ms": 48.0, "rtf": 0.2, "streams": 12, "at_batch": 4}
    assert found["balanced"]["ms"] == 88.0
    assert windows_of({"ms": {}}, codec, 125) == {}


def test_what_there_is_no_time_for_is_named(tmp_path: Path) -> None:
    run = Run("cpu", tmp_path, time.monotonic())
    assert run.measure({"backend": "eager", "size": "large", "precision": "float16"}) is None
    assert run.not_done == ["large float16 eager: no time left"]


def test_what_fails_is_named(tmp_path: Path) -> None:
    run = Run("cpu", tmp_path, time.monotonic() + 60)
    asked = {"backend": "ort-cpu", "size": "tiny", "precision": "float32", "folder": str(tmp_path), "shapes": [[1, 5]]}
    assert run.measure(asked) is None
    assert run.not_done[0].startswith("tiny float32 ort-cpu: failed: ")


def test_a_machine_without_a_gpu_says_so() -> None:
    assert "a GPU that torch can use" in absent("cpu")


def test_what_is_quick_and_what_is_asked_for_first_comes_first() -> None:
    order = in_order(["eager", "ort-cuda", "compiled"], ["small", "large"], ["float16", "bfloat16"])
    assert order[:4] == [("eager", s, p) for p in ("float16", "bfloat16") for s in ("small", "large")]
    assert order[4:6] == [("ort-cuda", "small", "float16"), ("ort-cuda", "large", "float16")]
    assert order[-1] == ("compiled", "large", "bfloat16")
    assert len(set(order)) == len(order) == 12


class Watched(Run):
    """Measures nothing, and sees what is asked for while something else still runs."""

    def measure(self, asked: dict[str, Any]) -> dict[str, float] | None:
        kind = "export" if asked["backend"] == "export" else "timed"
        with LOCK:
            RUNNING.append(kind)
            SEEN.append(frozenset(RUNNING))
        time.sleep(0.01)
        with LOCK:
            RUNNING.remove(kind)
        if asked["backend"] == "codec":
            return {"1": 5.0}
        return None if asked["size"] == "large" and kind == "export" else {"1x125": 10.0}


LOCK, RUNNING, SEEN = threading.Lock(), [], []  # type: ignore[var-annotated]


def test_nothing_is_timed_while_a_graph_is_exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.sam_audio.backends", lambda _device: ["eager", "ort-cuda", "compiled"])
    run = Watched("cuda", tmp_path, time.monotonic() + 60)
    measure_all(run, options().parse_args(["--batches", "1"]), ["small", "large"], ["float16", "bfloat16"])
    assert set(SEEN) == {frozenset({"export"}), frozenset({"timed"})}
    assert run.not_done == ["large float16 ort-cuda: no graph", "large bfloat16 ort-cuda: no graph"]
    assert len(run.done) == 10


def test_a_graph_is_needed_once_for_each_size_and_precision() -> None:
    ordered = in_order(["eager", "ort-cuda", "ort-tensorrt"], ["small", "large"], ["float16"])
    assert graphs_of(ordered) == [("small", "float16"), ("large", "float16")]
    assert graphs_of(in_order(["eager", "compiled"], ["small"], ["float16"])) == []
