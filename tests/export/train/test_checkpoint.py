from __future__ import annotations

from pathlib import Path

import pytest
import torch

from engine.errors import BadInput
from export.models.linear import LinearConfig
from export.models.queried import QueriedSeparator
from export.train import checkpoint
from export.train.batches import BatchMaker
from export.train.trainer import Plan, Trainer


def test_what_is_saved_comes_back(tmp_path: Path, model: QueriedSeparator) -> None:
    trainer = Trainer(model, Plan(bf16=False))
    checkpoint.save(tmp_path / "run" / "latest.pt", trainer.content())
    loaded = checkpoint.build(checkpoint.load(tmp_path / "run" / "latest.pt"))
    assert loaded.concepts == model.concepts
    torch.testing.assert_close(loaded.vectors, model.vectors)
    assert [p.name for p in (tmp_path / "run").iterdir()] == ["latest.pt"]


def test_linear_cores_before_phases_were_heard_are_built_as_they_were(tmp_path: Path) -> None:
    """Checkpoints up to 0.6.0 do not say so."""
    content = Trainer(QueriedSeparator(["rain"], LinearConfig(width=8, phase_bins=0)), Plan()).content()
    del content["config"]["phase_bins"]
    checkpoint.save(tmp_path / "old.pt", content)
    assert checkpoint.build(checkpoint.load(tmp_path / "old.pt")).phase_bins == 0


def test_another_format_is_refused(tmp_path: Path) -> None:
    torch.save({"format": 99}, tmp_path / "x.pt")
    with pytest.raises(BadInput, match=r"x\.pt: expected a checkpoint of format 1, got 'format 99'"):
        checkpoint.load(tmp_path / "x.pt")


def test_what_is_no_checkpoint_is_refused_by_name(tmp_path: Path, model: QueriedSeparator) -> None:
    checkpoint.save(tmp_path / "whole.pt", Trainer(model, Plan()).content())
    (tmp_path / "truncated.pt").write_bytes((tmp_path / "whole.pt").read_bytes()[:5000])
    (tmp_path / "empty.pt").write_bytes(b"")
    (tmp_path / "text.pt").write_text("hello\nworld\n", encoding="utf-8")
    torch.save(torch.zeros(2), tmp_path / "tensor.pt")
    (tmp_path / "folder.pt").mkdir()
    other = "a file of another kind"
    for name, got in {"nowhere": "No such file", "truncated": "a damaged one", "empty": other, "text": other,
                      "tensor": r"something else \(Tensor\)", "folder": "Is a directory"}.items():  # fmt: skip
        with pytest.raises(
            BadInput, match=rf"{name}\.pt: expected a checkpoint of export\.train\.separator, got '{got}"
        ):
            checkpoint.load(tmp_path / f"{name}.pt")


@pytest.mark.parametrize("part", ["concepts", "config", "ema", "optimiser", "plan", "last_state"])
def test_a_checkpoint_that_lacks_a_part_is_refused(tmp_path: Path, model: QueriedSeparator, part: str) -> None:
    content = Trainer(model, Plan()).content()
    checkpoint.save(tmp_path / "x.pt", {name: value for name, value in content.items() if name != part})
    with pytest.raises(BadInput, match=rf"x\.pt: expected a checkpoint with {part}"):
        checkpoint.load(tmp_path / "x.pt")


def test_weights_of_another_model_are_refused(model: QueriedSeparator, flat_model: QueriedSeparator) -> None:
    content, other = Trainer(model, Plan()).content(), Trainer(flat_model, Plan()).content()
    with pytest.raises(BadInput, match="expected weights of its own core and concepts"):
        checkpoint.build({**content, "ema": other["ema"]})
    with pytest.raises(BadInput, match=r"checkpoint\.config\.width: expected 1 to 4096, got 0"):
        checkpoint.build({**content, "config": {"width": 0}})


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_a_weight_that_is_no_number_is_named(model: QueriedSeparator, wrong: float) -> None:
    checkpoint.require_finite(model.state_dict())
    with torch.no_grad():
        model.vectors[1, 2] = wrong
    with pytest.raises(BadInput, match=r"weights\.vectors: expected finite numbers, got '1 of 80 NaN or infinite'"):
        checkpoint.require_finite(model.state_dict())


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
