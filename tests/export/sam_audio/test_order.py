from __future__ import annotations

import errno
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


def finish(work: Work, name: str, *files: str) -> None:
    """A graph, its files and what is known of it."""
    for file in files or (f"{name}.onnx",):
        (work.folder / file).write_bytes(name.encode())
    work.add(name, Made(files or (f"{name}.onnx",), {name: 1e-6}))


def begin(order: Order, *names: str) -> None:
    """An export that was cut off behind its first graph, or behind these."""
    with Work.open(order) as work:
        for name in names or ("text",):
            finish(work, name)


def made(order: Order) -> dict[str, Made]:
    with Work.open(order) as work:
        return work.made


def test_what_was_done_is_found_again(order: Order) -> None:
    begin(order)
    with Work.open(order) as again:
        assert again.made == {"text": Made(("text.onnx",), {"text": 1e-6})}
        assert again.has(("text",))
        assert not again.has(("text", "encoder"))


def test_two_exports_into_one_folder_do_not_mix(order: Order) -> None:
    with Work.open(order) as work:
        finish(work, "text")
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
    (order.work_folder / "done.json").write_text("{", encoding="utf-8")
    assert not made(order)


def test_delivery_replaces_an_old_bundle(order: Order) -> None:
    order.out.mkdir()
    (order.out / "old").write_text("", encoding="utf-8")
    with Work.open(order) as work:
        finish(work, "text")
        work.deliver(["text.onnx"])
    assert [path.name for path in order.out.iterdir()] == ["text.onnx"]
    assert {path.name for path in order.out.parent.iterdir()} == {"out", "My Model (v2)"}


@pytest.mark.parametrize("failing", ["out", ".out.unfinished"])
def test_a_delivery_that_fails_loses_nothing(order: Order, failing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the old bundle, nor what was done for the new one."""
    order.out.mkdir()
    (order.out / "old").write_text("", encoding="utf-8")
    rename = Path.rename

    def busy(path: Path, target: Path) -> Path:
        if path.name == failing:
            raise OSError(errno.EBUSY, "Device or resource busy", str(path))
        return rename(path, target)

    with Work.open(order) as work:
        finish(work, "text")
        monkeypatch.setattr(Path, "rename", busy)
        with pytest.raises(OSError, match="busy"):
            work.deliver(["text.onnx"])
        monkeypatch.setattr(Path, "rename", rename)
    assert [path.name for path in order.out.iterdir()] == ["old"]
    with Work.open(order) as again:
        assert again.has(("text",))
        again.deliver(["text.onnx"])
    assert [path.name for path in order.out.iterdir()] == ["text.onnx"]


def test_only_what_belongs_is_kept_and_delivered(order: Order) -> None:
    """A check that was killed leaves a folder behind, in an export that had come to something or to nothing."""
    for names in ((), ("text",)):
        left = order.work_folder / "tmpabc"
        with Work.open(order) as work:
            for name in names:
                finish(work, name)
            left.mkdir()
            (left / "weights").write_bytes(b"x")
        with Work.open(order) as again:
            assert not left.exists()
            assert again.has(names)
            left.mkdir()
            (again.folder / "stray").symlink_to(order.checkpoint)
    with Work.open(order) as work:
        (work.folder / "spec.json").write_text("{}", encoding="utf-8")
        work.deliver(["text.onnx", "spec.json"])
    assert {path.name for path in order.out.iterdir()} == {"text.onnx", "spec.json"}
    assert (order.checkpoint / "config.json").is_file()


def test_a_finished_file_that_changed_is_made_again(order: Order) -> None:
    begin(order, "text", "velocity", "velocity@125", "encoder")
    folder = order.work_folder
    (folder / "velocity.onnx").write_bytes(b"VELOCITY")
    (folder / "encoder.onnx").unlink()
    with Work.open(order) as work:
        assert set(work.made) == {"text"}
        assert work.lost == ("encoder", "velocity", "velocity@125")  # the plan was built from the graph
        assert work.written_bytes == 4
    assert {path.name for path in folder.iterdir()} == {"text.onnx", "done.json"}


def test_another_version_of_the_code_begins_anew(order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    begin(order)
    monkeypatch.setattr("export.sam_audio.order._code", lambda: ("another",))
    assert not made(order)


def test_what_makes_no_graph_does_not_begin_anew(order: Order) -> None:
    begin(order)
    (order.checkpoint / "tokenizer.json").write_text("{}", encoding="utf-8")
    (order.checkpoint / "LICENSE").write_text("", encoding="utf-8")
    assert made(replace(order, name="mine", replace=True))


def test_a_name_a_spec_can_take(order: Order) -> None:
    assert order.bundle_name == "my-model--v2"
    assert replace(order, name="mine").bundle_name == "mine"
    assert replace(order, checkpoint=order.checkpoint.with_name("Modèle ٣")).bundle_name == "mod-le"
