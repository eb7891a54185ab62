from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.errors import BadInput
from export.models.sam_audio.errors import DiskFull
from export.sam_audio.beforehand import check_out, check_room, needed_bytes
from export.sam_audio.order import Order


@pytest.fixture
def order(tmp_path: Path) -> Order:
    (tmp_path / "in" / "checkpoint").mkdir(parents=True)
    return Order(tmp_path / "in" / "checkpoint", tmp_path / "out", replace=True)


def bundle(folder: Path, **files: str) -> Path:
    """What `--replace` may remove: a spec and the files it names."""
    folder.mkdir()
    (folder / "spec.json").write_text(json.dumps({"artifacts": {"text.onnx": "0"}}), encoding="utf-8")
    (folder / "text.onnx").write_bytes(b"")
    return folder


def refused(order: Order, match: str) -> None:
    with pytest.raises(BadInput, match=match) as caught:
        check_out(order)
    assert caught.value.field == "OUT"


def test_a_bundle_an_empty_folder_and_nothing_give_way(order: Order) -> None:
    check_out(order)
    order.out.mkdir()
    check_out(order)
    order.out.rmdir()
    bundle(order.out)
    check_out(order)
    refused(replace(order, replace=False), "not there yet")


@pytest.mark.parametrize("content", [None, "{", "[]", "{}", '{"artifacts": 3}'])
def test_a_folder_that_is_no_bundle_stays(content: str | None, order: Order) -> None:
    order.out.mkdir()
    (order.out / "my-thesis.docx").write_text("precious", encoding="utf-8")
    if content is not None:
        (order.out / "spec.json").write_text(content, encoding="utf-8")
    refused(order, "a bundle to --replace")


def test_what_lies_beside_a_bundles_files_stays(order: Order) -> None:
    (bundle(order.out) / "notes.txt").write_text("mine", encoding="utf-8")
    refused(order, r"notes\.txt would be lost")


def test_a_file_a_link_and_a_place_in_a_file_are_no_folder(order: Order, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    (tmp_path / "link").symlink_to(bundle(tmp_path / "bundle"))
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for name in ("file", "link", "dangling"):
        refused(replace(order, out=tmp_path / name), "no file and no link")
    refused(replace(order, out=tmp_path / "file" / "sub" / "out"), r"a place in a folder \(.*file is none\)")
    refused(replace(order, out=Path("/")), "no mount point")


@pytest.mark.parametrize("field", ["checkpoint", "t5", "spans", "judge"])
@pytest.mark.parametrize("out", ["in/source", "in", "in/source/deep/out"])
def test_no_folder_that_is_read_gives_way(field: str, out: str, order: Order, tmp_path: Path) -> None:
    """Nor does one that holds it or lies in it, by whatever name it is reached."""
    shutil.rmtree(tmp_path / "in")
    (tmp_path / "elsewhere").mkdir()
    source = bundle(tmp_path / "elsewhere" / "in")  # `in` is a bundle too: nothing else stands in the way
    bundle(source / "source")
    shutil.rmtree(source / "source" / "deep", ignore_errors=True)
    (tmp_path / "in").symlink_to(source)
    order = replace(order, checkpoint=tmp_path / "elsewhere", out=source.parent / out)
    order = replace(order, **{"checkpoint": tmp_path / "no", field: tmp_path / "in" / "source"})  # type: ignore[arg-type]
    if out == "in":
        spec = {"artifacts": {"text.onnx": "0", "source": "0"}}
        (source / "spec.json").write_text(json.dumps(spec), encoding="utf-8")
    refused(order, "neither is, holds nor lies in that of")


def test_somebodys_own_folder_of_our_name_for_an_old_bundle_stays(order: Order) -> None:
    bundle(order.old_folder)
    check_out(replace(order, replace=False))
    (order.old_folder / "mine").write_text("", encoding="utf-8")
    refused(order, "mine would be lost")


def test_no_folder_that_is_read_is_taken_for_an_unfinished_export(order: Order, tmp_path: Path) -> None:
    refused(replace(order, checkpoint=tmp_path / ".out.unfinished"), "that of CHECKPOINT")
    refused(replace(order, t5=tmp_path / ".out.old" / "t5"), "that of --t5")


def test_room_is_judged_by_what_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage: Any = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=2_000_000_000))
    check_room(tmp_path, 2_000_000_000)
    with pytest.raises(DiskFull, match=r"expected 2\.50 GB of room or more, got 2\.00 GB") as caught:
        check_room(tmp_path, 2_500_000_000)
    assert (caught.value.code, caught.value.folder) == ("disk", tmp_path)


def test_what_is_needed_goes_by_the_precisions(order: Order) -> None:
    numbers = {"codec": 1, "watermark": 10, "field": 100, "vision": 1000, "spans": 10_000, "judge": 100_000}
    assert needed_bytes(numbers, order) == 4 * 111_111
    assert needed_bytes(numbers, replace(order, watermark=False)) == 4 * 111_101
    half = replace(order, precision="float16", codec_precision="float16")
    assert needed_bytes(numbers, half) == 4 * 110_010 + 2 * 1_101
    assert needed_bytes({"codec": 1, "watermark": 0, "field": 5}, replace(order, precision="bfloat16")) == 4 + 10 + 20
