from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("onnx")
pytest.importorskip("matplotlib")

from export.models.queried import QueriedSeparator
from export.train import checkpoint
from export.train.cache import SampleStore
from export.train.compare import compared, draw, streams_per_core
from export.train.corpus import Recording
from export.train.separator import Plan, Trainer


def test_streams_are_the_hops_that_fit_into_ten_milliseconds() -> None:
    assert streams_per_core({"1": 0.25, "16": 0.8}) == {"1": 40, "16": 200}


def test_a_checkpoint_is_scored_timed_and_drawn(
    model: QueriedSeparator, recordings: list[Recording], store: SampleStore, tmp_path: Path
) -> None:
    checkpoint.save(tmp_path / "run.pt", Trainer(model, Plan()).content())
    rows = compared(tmp_path / "run.pt", recordings, store, count=1, calls=3)
    assert [row["int8"] for row in rows] == [False, True]
    assert rows[0]["core"] == "linear 32"
    assert rows[0]["speech_db"] == rows[1]["speech_db"]
    assert set(rows[0]["streams_per_core"]["cold"]) == {"1", "4", "8", "16"}
    draw(rows, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size < 150_000
