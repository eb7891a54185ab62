from __future__ import annotations

from pathlib import Path

import pytest

from engine.spec import load_spec
from export.sam_audio.card import LICENCE, write_card, write_licence
from export.sam_audio.order import Order
from export.sam_audio.sources import Source
from tests.export.sam_audio.conftest import FROZEN


def test_the_checkpoints_own_licence_comes_along(tmp_path: Path) -> None:
    checkpoint, folder = tmp_path / "checkpoint", tmp_path / "bundle"
    checkpoint.mkdir()
    folder.mkdir()
    assert write_licence(checkpoint, folder, ("text", "velocity")) == ["LICENSE.md"]
    (checkpoint / "LICENSE").write_text("the whole of it", encoding="utf-8")
    assert write_licence(checkpoint, folder, ()) == ["LICENSE.md", "LICENSE.SAM"]
    assert (folder / "LICENSE.SAM").read_text(encoding="utf-8") == "the whole of it"


@pytest.mark.parametrize("graphs", [(), ("spans",), ("judge",), ("spans", "judge")])
def test_each_part_of_another_makers_is_named_with_its_licence(tmp_path: Path, graphs: tuple[str, ...]) -> None:
    write_licence(tmp_path, tmp_path, graphs)
    note = (tmp_path / "LICENSE.md").read_text(encoding="utf-8")
    assert "`text.onnx` and `tokenizer.json` are T5's (google-t5/t5-base), Apache-2.0." in note
    assert ("`spans.onnx`" in note, "PE-A-Frame's (facebook/pe-a-frame-*), Apache-2.0." in note) == (
        "spans" in graphs, "spans" in graphs,
    )  # fmt: skip
    assert ("`judge.onnx`" in note) == ("judge" in graphs)
    assert "{" not in note


def test_the_card_says_licence_modes_and_parity(source: Source, tmp_path: Path) -> None:
    spec = load_spec(FROZEN)
    card = write_card(Order(tmp_path, tmp_path / "out", precision="float16"), source, spec)
    assert f"Licence: {LICENCE}" in card.split("\n\n")[1]
    assert "| low_latency | 0.60 s | 5.00 s | midpoint, 2 steps |" in card
    assert "| velocity |" in card
    assert "Transformer in float16" in card
