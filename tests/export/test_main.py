from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("onnx")

from export.__main__ import main
from export.models.queried import QueriedSeparator
from export.train import checkpoint
from export.train.separator import Plan, Trainer


def test_bundle_check_and_keep(model: QueriedSeparator, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "manifest.csv").write_text(
        "file,class,caption,source,licence,split,speaker,native_sr,seconds\nr.opus,rain,rain,x/y,CC0,train,,44100,2\n",
        encoding="utf-8",
    )
    run, out = tmp_path / "run.pt", tmp_path / "tiny"
    checkpoint.save(run, Trainer(model, Plan()).content())
    assert main(["bundle", "--checkpoint", str(run), "--data", str(tmp_path), "--out", str(out)]) == 0
    assert main(["check", "--checkpoint", str(run), "--out", str(out)]) == 0
    assert main(["keep", "--checkpoint", str(run), "--out", str(tmp_path / "kept.pt")]) == 0
    printed = capsys.readouterr().out
    assert '"advertised": 0' in printed
    assert "kept.pt" in printed
    assert checkpoint.build(checkpoint.load(tmp_path / "kept.pt")).concepts == model.concepts
