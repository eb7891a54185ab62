from __future__ import annotations

from pathlib import Path

import pytest
import torch

from export.models.queried import QueriedSeparator
from export.train import checkpoint
from export.train.batches import BatchMaker
from export.train.separator import Plan, Trainer


def test_what_is_saved_comes_back(tmp_path: Path, model: QueriedSeparator) -> None:
    trainer = Trainer(model, Plan(bf16=False))
    checkpoint.save(tmp_path / "run" / "latest.pt", trainer.content())
    loaded = checkpoint.build(checkpoint.load(tmp_path / "run" / "latest.pt"))
    assert loaded.concepts == model.concepts
    torch.testing.assert_close(loaded.vectors, model.vectors)
    assert [p.name for p in (tmp_path / "run").iterdir()] == ["latest.pt"]


def test_another_format_is_refused(tmp_path: Path) -> None:
    torch.save({"format": 99}, tmp_path / "x.pt")
    with pytest.raises(ValueError, match="format 99"):
        checkpoint.load(tmp_path / "x.pt")


def test_a_compact_checkpoint_is_smaller_and_goes_on(
    tmp_path: Path, model: QueriedSeparator, maker: BatchMaker
) -> None:
    trainer = Trainer(model, Plan(bf16=False))
    trainer.step(maker.make(0))
    content = trainer.content()
    checkpoint.save(tmp_path / "full.pt", {**content, "last_state": None})
    checkpoint.save(tmp_path / "half.pt", checkpoint.compact(content))
    assert (tmp_path / "half.pt").stat().st_size < 0.7 * (tmp_path / "full.pt").stat().st_size
    again = Trainer(checkpoint.build(checkpoint.load(tmp_path / "half.pt"), averaged=False), Plan(bf16=False))
    again.restore(checkpoint.load(tmp_path / "half.pt"))
    assert torch.isfinite(again.step(maker.make(1)).total)
    assert all(value.dtype == torch.float32 for value in again.average.weights.values())


def test_the_running_mean_follows_slowly(model: QueriedSeparator) -> None:
    average = checkpoint.Average(model)
    before = average.weights["vectors"].clone()
    with torch.no_grad():
        model.vectors.add_(1.0)
    average.update(model, step=100_000)
    torch.testing.assert_close(average.weights["vectors"], before + 0.001, rtol=1e-3, atol=1e-4)
