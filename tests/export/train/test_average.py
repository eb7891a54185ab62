"""`export.train.average`: the mean of two runs, and what cannot be averaged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from engine.errors import BadInput
from export.models.linear import LinearConfig
from export.models.queried import QueriedSeparator
from export.train import average, checkpoint
from export.train.trainer import Plan, Trainer


def run(seed: int, words: tuple[str, ...] = ("rain", "speech"), width: int = 8) -> dict[str, Any]:
    torch.manual_seed(seed)
    return Trainer(QueriedSeparator(list(words), LinearConfig(width=width, inner=8)), Plan()).content()


def test_the_mean_lies_between_and_can_be_built_and_resumed(tmp_path: Path) -> None:
    one, other = run(1), run(2)
    for name, content in (("one.pt", one), ("other.pt", other)):
        checkpoint.save(tmp_path / name, content)
    out = tmp_path / "mean.pt"
    assert average.main([str(tmp_path / "one.pt"), str(tmp_path / "other.pt"), "--out", str(out)]) == 0
    found = checkpoint.load(out)
    for name, value in found["ema"].items():
        torch.testing.assert_close(value, (one["ema"][name] + other["ema"][name]) / 2)
        torch.testing.assert_close(found["model"][name], value)
    assert found["averaged"] == 2
    assert checkpoint.build(found).concepts == ["rain", "speech"]
    Trainer(QueriedSeparator(["rain", "speech"], LinearConfig(width=8, inner=8)), Plan()).restore(found)


def test_words_and_sizes_must_agree() -> None:
    with pytest.raises(BadInput, match=r"checkpoints\.concepts: expected the same in all"):
        average.mean([run(1), run(2, ("speech", "rain"))])
    with pytest.raises(BadInput, match=r"checkpoints\.config: expected the same in all"):
        average.mean([run(1), run(2, width=16)])
    with pytest.raises(BadInput, match="expected two or more, got 1"):
        average.mean([run(1)])


def test_weights_that_are_no_numbers_are_refused() -> None:
    broken = run(1)
    next(iter(broken["ema"].values())).fill_(float("nan"))
    with pytest.raises(BadInput, match="finite numbers"):
        average.mean([run(2), broken])


def test_a_mistake_is_one_line_and_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nowhere = str(tmp_path / "nowhere.pt")
    assert average.main([nowhere, nowhere, "--out", str(tmp_path / "x.pt")]) == 2
    assert capsys.readouterr().err.startswith("python -m export.train.average: error: ")
    assert not (tmp_path / "x.pt").exists()
