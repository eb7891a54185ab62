from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.errors import BadInput
from engine.spec import load_spec
from export.parity import ParityError
from export.sam_audio import bundle
from export.sam_audio.bundle import export_bundle
from export.sam_audio.order import Made, Order, Work
from tests.export.sam_audio.conftest import FROZEN

pytest.importorskip("onnxscript", reason="onnxscript (extra sam-audio) is not installed")

FINISHED = ("encoder", "watermark", "decoder", "vision", "condition", "velocity")


@pytest.fixture
def order(folders: Path, tmp_path: Path) -> Order:
    return Order(folders / "sam-audio-tiny", tmp_path / "out")


def cut_off(order: Order, folders: Path) -> None:
    """Leave behind what an export does that was cut off before the text encoder, with the frozen graphs as its own."""
    with Work.open(replace(order, t5=folders / "t5-base", vision=True)) as work:
        for name in FINISHED:
            shutil.copyfile(FROZEN / f"{name}.onnx", work.folder / f"{name}.onnx")
            work.add(name, Made((f"{name}.onnx",), {name: 1e-6}))


def test_a_cut_off_export_goes_on_and_is_delivered_whole(order: Order, folders: Path) -> None:
    cut_off(order, folders)
    lines: list[str] = []
    written = export_bundle(order, lines.append)
    spec = load_spec(order.out)
    assert spec == written
    assert (spec.program, spec.licence, spec.name) == ("flow_audio", "SAM License", "sam-audio-tiny")
    assert set(spec.graphs) == {"text", *FINISHED}
    assert spec.parity["text"] <= 1e-5
    assert sum("there already" in line for line in lines) == 3
    assert [path.name for path in order.out.parent.iterdir()] == ["out"]
    assert {"CARD.md", "LICENSE.md", "tokenizer.json"} <= set(spec.artifacts)
    with pytest.raises(BadInput, match="OUT"):
        export_bundle(order, lines.append)


def test_nothing_lies_under_the_final_name_until_all_is_there(order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(*_: Any, **__: Any) -> dict[str, float]:
        raise ParityError("text: largest difference 1")

    monkeypatch.setattr(bundle, "write_graph", lambda graph, folder: (graph.file,))
    monkeypatch.setattr("export.sam_audio.parity.check", wrong)
    with pytest.raises(ParityError):
        export_bundle(order, lambda _: None)
    assert not order.out.exists()


@pytest.mark.parametrize(
    ("field", "value"), [("precision", "int8"), ("codec_precision", "bfloat16"), ("codec_precision", "wide")]
)
def test_an_unknown_precision_is_named(order: Order, field: str, value: str) -> None:
    with pytest.raises(BadInput, match=field):
        export_bundle(replace(order, **{field: value}), lambda _: None)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["", "Mine", "-mine", "mein·modell", "modèle", "a b", "m" * 65, "mine\n"])
def test_a_name_that_no_spec_takes_is_refused_before_anything_is_done(order: Order, name: str) -> None:
    with pytest.raises(BadInput, match="name: expected 1 to 64") as caught:
        export_bundle(replace(order, name=name), lambda _: None)
    assert caught.value.field == "name"
    assert not list(order.out.parent.iterdir())


def test_wrong_numbers_and_folders_are_refused_before_anything_is_done(order: Order, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="max_batch: expected at least 1, got 0"):
        export_bundle(replace(order, max_batch=0), lambda _: None)
    for field in ("t5", "spans", "judge"):
        with pytest.raises(BadInput, match=f"{field}: expected a folder"):
            export_bundle(replace(order, **{field: tmp_path / "nowhere"}), lambda _: None)  # type: ignore[arg-type]
    assert not list(order.out.parent.iterdir())


def test_the_spec_says_what_plans_are_for_and_the_export_what_it_did_not_read(order: Order, folders: Path) -> None:
    from safetensors.torch import load_file, save_file

    shutil.copytree(folders / "sam-audio-tiny", order.out.parent / "sam")
    weights = load_file(order.out.parent / "sam" / "model.safetensors")
    extra = {f"text_ranker.model.{number}": weights["proj.bias"].clone() for number in range(3)}
    save_file(weights | extra, order.out.parent / "sam" / "model.safetensors")
    order = replace(order, checkpoint=order.out.parent / "sam", t5=folders / "t5-base", max_batch=5)
    cut_off(order, folders)
    lines: list[str] = []
    written = export_bundle(order, lines.append)
    assert written.flow is not None
    assert written.flow.plans.most_rows == 5
    (told,) = (line for line in lines if "not read" in line)
    assert ": text_ranker.* (3), vision_encoder.model." in told
    assert "vision_encoder.model.token_embedding.* (1)" in told  # the text tower
    assert "visual" not in told


def test_the_frozen_bundle_is_whole_and_small() -> None:
    spec = load_spec(FROZEN)
    assert sum(path.stat().st_size for path in FROZEN.iterdir()) < 3_000_000
    assert set(spec.parity) == {"text", *FINISHED}
    assert max(spec.parity.values()) <= 1e-5
    assert spec.flow is not None
    assert (spec.flow.frame, spec.flow.latent, spec.flow.text, spec.flow.video) == (1920, 6, 24, 20)
