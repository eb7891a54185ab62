from __future__ import annotations

import errno
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
import torch

from engine.errors import BadInput
from engine.spec import load_spec
from export.models.sam_audio.errors import CheckpointError, DiskFull
from export.models.sam_audio.span_predictor import SpanPredictor
from export.parity import ParityError
from export.sam_audio import bundle
from export.sam_audio.bundle import export_bundle
from export.sam_audio.order import Made, Order, Work
from tests.export.sam_audio.conftest import FROZEN
from tests.export.tiny_sam_audio import write_judge, write_spans

pytest.importorskip("onnxscript", reason="onnxscript (extra sam-audio) is not installed")

FINISHED = ("encoder", "watermark", "decoder", "vision", "condition", "velocity")


@pytest.fixture
def order(folders: Path, tmp_path: Path) -> Order:
    return Order(folders / "sam-audio-tiny", tmp_path / "out")


def cut_off(order: Order, folders: Path, finished: tuple[str, ...] = FINISHED) -> None:
    """Leave behind what an export does that was cut off before the text encoder, with the frozen graphs as its own."""
    with Work.open(replace(order, t5=folders / "t5-base", vision=True)) as work:
        for name in finished:
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


def never(*_: Any, **__: Any) -> Any:
    raise AssertionError("a graph was begun")


def broken(folders: Path, place: Path, part: str, file: str) -> Path:
    """A copy of one of the folders without a file of it."""
    made = {"t5": lambda to: shutil.copytree(folders / "t5-base", to), "spans": write_spans, "judge": write_judge}
    folder = Path(made[part](place / part))  # type: ignore[operator]
    (folder / file).unlink()
    return folder


@pytest.mark.parametrize("part", ["t5", "spans", "judge"])
def test_a_missing_tokenizer_is_said_before_the_first_graph(
    part: str, order: Order, folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle, "write_graph", never)
    folder = broken(folders, order.out.parent / "in", part, "tokenizer.json")
    (folder / "tokenizer_config.json").unlink(missing_ok=True)
    with pytest.raises(CheckpointError, match=rf"{part}: no tokenizer: expected"):
        export_bundle(replace(order, **{part: folder}), lambda _: None)  # type: ignore[arg-type]
    assert not order.work_folder.exists()


def test_a_tokenizer_that_comes_late_costs_no_graph(order: Order, folders: Path) -> None:
    t5 = order.out.parent / "t5"
    shutil.copytree(folders / "t5-base", t5)
    with Work.open(replace(order, t5=t5, vision=True)) as work:
        for name in ("text", *FINISHED):
            shutil.copyfile(FROZEN / f"{name}.onnx", work.folder / f"{name}.onnx")
            work.add(name, Made((f"{name}.onnx",), {name: 1e-6}))
    (t5 / "tokenizer.json").write_bytes((t5 / "tokenizer.json").read_bytes() + b"\n")
    lines: list[str] = []
    export_bundle(replace(order, t5=t5), lines.append)
    assert sum("there already" in line for line in lines) == 4


@pytest.mark.parametrize("part", ["spans", "judge"])
def test_a_part_that_cannot_be_read_is_said_before_the_first_graph(
    part: str, order: Order, folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle, "write_graph", never)
    folder = broken(folders, order.out.parent / "in", part, "model.safetensors")
    with pytest.raises(CheckpointError, match=f"{part}: neither"):
        export_bundle(replace(order, **{part: folder}), lambda _: None)  # type: ignore[arg-type]


def test_sizes_that_no_spec_takes_are_said_before_the_first_graph(
    order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The configuration is judged when it is read; should it ever let through what the engine does not take."""
    monkeypatch.setattr(bundle, "write_graph", never)
    fields = bundle._flow_fields
    monkeypatch.setattr(bundle, "_flow_fields", lambda *of: fields(*of) | {"max_tokens": 0})
    with pytest.raises(CheckpointError, match="no bundle can say max_tokens: Input should be greater than 0"):
        export_bundle(order, lambda _: None)


def test_replace_removes_no_folder_that_is_no_bundle(order: Order, folders: Path) -> None:
    """The reviewer's: the checkpoint itself named as OUT."""
    checkpoint = order.out.parent / "sam"
    shutil.copytree(folders / "sam-audio-tiny", checkpoint)
    before = {path.name for path in checkpoint.iterdir()}
    for out in (checkpoint, checkpoint / ".." / "sam", order.out.parent):
        with pytest.raises(BadInput, match="OUT"):
            export_bundle(replace(order, checkpoint=checkpoint, out=out, t5=folders / "t5-base", replace=True), never)
    assert {path.name for path in checkpoint.iterdir()} == before
    assert [path.name for path in order.out.parent.iterdir()] == ["sam"]


def test_what_came_to_lie_at_out_meanwhile_stays(order: Order, folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cut_off(order, folders, ("text", *FINISHED))
    finish = bundle._finish

    def while_finishing(*of: Any) -> Any:
        order.out.mkdir()
        (order.out / "mine").write_text("", encoding="utf-8")
        return finish(*of)

    monkeypatch.setattr(bundle, "_finish", while_finishing)
    with pytest.raises(BadInput, match="OUT: expected a folder that is not there yet"):
        export_bundle(order, lambda _: None)
    assert [path.name for path in order.out.iterdir()] == ["mine"]
    assert (order.work_folder / "velocity.onnx").is_file()


def test_a_disk_without_room_is_refused_before_the_first_graph(order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    usage: Any = shutil.disk_usage(order.out.parent)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=100_000))
    monkeypatch.setattr(bundle, "write_graph", never)
    with pytest.raises(DiskFull, match=r"\.out\.unfinished: expected 0\.00 GB of room or more, got 0\.00 GB") as caught:
        export_bundle(order, lambda _: None)
    # as many bytes as the frozen graphs have, their structure and text encoder apart
    assert 1_000_000 < caught.value.needed_bytes < 2_500_000


def test_a_disk_that_is_full_after_all_is_named(order: Order, folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    cut_off(order, folders)
    monkeypatch.setattr(bundle, "write_graph", full)
    with pytest.raises(DiskFull, match=r"\.out\.unfinished: expected"):
        export_bundle(order, lambda _: None)
    assert order.work_folder.is_dir()


def test_spans_are_exported_and_compute_what_the_model_does(order: Order, folders: Path) -> None:
    spans = write_spans(order.out.parent / "in" / "spans")
    order = replace(order, spans=spans)
    cut_off(order, folders, ("text", *FINISHED))
    written = export_bundle(order, lambda _: None)
    assert written.graphs["spans"] == "spans.onnx"
    assert 0 <= written.parity["spans"] <= 1e-5
    assert "spans_tokenizer.json" in written.artifacts
    session = ort.InferenceSession(str(order.out / "spans.onnx"))
    predictor = SpanPredictor.open(spans).requires_grad_(False)
    torch.manual_seed(3)
    latents, frames = torch.randn(2, 125, 6), torch.arange(125)[None] < torch.tensor([[125], [80]])
    tokens, kept = torch.randint(0, 64, (2, 6)), torch.arange(6)[None] < torch.tensor([[6], [4]])
    names = ("latents", "frame_mask", "tokens", "token_mask")
    feeds = {name: x.numpy() for name, x in zip(names, (latents, frames, tokens, kept), strict=True)}
    (heard,) = session.run(["heard"], feeds)
    wanted = predictor(latents, frames, tokens, kept.long()).numpy()
    assert wanted.std() > 1e-4  # it says something
    assert np.abs(heard - wanted)[frames.numpy()].max() <= 1e-5


def test_the_frozen_bundle_is_whole_and_small() -> None:
    spec = load_spec(FROZEN)
    assert sum(path.stat().st_size for path in FROZEN.iterdir()) < 3_000_000
    assert set(spec.parity) == {"text", *FINISHED}
    assert max(spec.parity.values()) <= 1e-5
    assert spec.flow is not None
    assert (spec.flow.frame, spec.flow.latent, spec.flow.text, spec.flow.video) == (1920, 6, 24, 20)
