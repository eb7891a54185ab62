from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engine.errors import BadInput
from export.sam_audio.order import Made, Order, Work


@pytest.fixture
def order(tmp_path: Path) -> Order:
    checkpoint = tmp_path / "My Model (v2)"
    checkpoint.mkdir()
    (checkpoint / "config.json").write_text("{}", encoding="utf-8")
    return Order(checkpoint, tmp_path / "out")


def begin(order: Order) -> None:
    """An export that was cut off behind its first graph."""
    with Work.open(order) as work:
        work.add("text", Made(("text.onnx",), {}))


def made(order: Order) -> dict[str, Made]:
    with Work.open(order) as work:
        return work.made


def test_what_was_done_is_found_again(order: Order) -> None:
    with Work.open(order) as work:
        work.add("text", Made(("text.onnx",), {"text": 1e-6}))
    with Work.open(order) as again:
        assert again.made == {"text": Made(("text.onnx",), {"text": 1e-6})}
        assert again.has(("text",))
        assert not again.has(("text", "encoder"))


def test_two_exports_into_one_folder_do_not_mix(order: Order) -> None:
    with Work.open(order) as work:
        work.add("text", Made(("text.onnx",), {}))
        with pytest.raises(BadInput, match="no other export"), Work.open(replace(order, precision="float16")):
            pass
    assert made(order)


def test_another_order_or_another_checkpoint_begins_anew(order: Order) -> None:
    begin(order)
    assert not made(replace(order, precision="float16"))
    begin(order)
    (order.checkpoint / "config.json").write_text("{ }", encoding="utf-8")
    assert not made(order)


@pytest.mark.parametrize("field", ["t5", "spans", "judge"])
def test_other_weights_beside_the_checkpoint_begin_anew(order: Order, tmp_path: Path, field: str) -> None:
    (tmp_path / "beside").mkdir()
    weights = tmp_path / "beside" / "model.safetensors"
    weights.write_bytes(b"old")
    order = replace(order, **{field: tmp_path / "beside"})  # type: ignore[arg-type]
    begin(order)
    assert made(order)
    weights.write_bytes(b"newer")
    assert not made(order)


def test_a_broken_list_begins_anew(order: Order) -> None:
    begin(order)
    (order.out.with_name(".out.unfinished") / "done.json").write_text("{", encoding="utf-8")
    assert not made(order)


def test_delivery_replaces_an_old_bundle(order: Order) -> None:
    order.out.mkdir()
    (order.out / "old").write_text("", encoding="utf-8")
    with Work.open(order) as work:
        work.add("text", Made((), {}))
        (work.folder / "new").write_text("", encoding="utf-8")
        work.deliver()
    assert [path.name for path in order.out.iterdir()] == ["new"]
    assert {path.name for path in order.out.parent.iterdir()} == {"out", "My Model (v2)"}


def test_a_name_a_spec_can_take(order: Order) -> None:
    assert order.bundle_name == "my-model--v2"
    assert replace(order, name="mine").bundle_name == "mine"
    assert replace(order, checkpoint=order.checkpoint.with_name("Modèle ٣")).bundle_name == "mod-le"
