"""What is judged before the minutes that an export takes: the order, the place it goes to, and the room there."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from engine.errors import BadInput
from engine.spec import NAME_PATTERN, SPEC_FILE
from export.models.sam_audio.errors import DiskFull
from export.sam_audio.order import DONE_FILE, Order
from export.sam_audio.precision import PRECISIONS
from export.sam_audio.tensorrt import require_tensorrt

FOLDERS = {"checkpoint": "CHECKPOINT", "t5": "--t5", "spans": "--spans", "judge": "--judge"}


def check_order(order: Order) -> None:
    """Whether the order can be carried out, as far as its own values tell.

    Raises:
        BadInput: a value that cannot be; names it.
        MissingDependency: plans are asked for, and TensorRT is not installed.
    """
    for field in ("precision", "codec_precision"):
        if getattr(order, field) not in PRECISIONS:
            raise BadInput(field, f"one of {', '.join(PRECISIONS)}", getattr(order, field))
    if order.codec_precision == "bfloat16":
        raise BadInput("codec_precision", "float32 or float16 (bfloat16 leaves audible noise)", "bfloat16")
    if order.name is not None and re.fullmatch(NAME_PATTERN, order.name) is None:
        expected = "1 to 64 of the characters a-z 0-9 . _ -, a letter or digit first"
        raise BadInput("name", expected, order.name)
    if order.max_batch < 1:
        raise BadInput("max_batch", "at least 1", order.max_batch)
    for field in ("t5", "spans", "judge"):
        folder = getattr(order, field)
        if folder is not None and not folder.is_dir():
            raise BadInput(field, "a folder that is there", str(folder))
    if order.windows_s:
        require_tensorrt()
    check_out(order)


def check_out(order: Order) -> None:
    """Whether `out` may be written, and what lies there already removed: a bundle alone is, and only if asked for.

    Raises:
        BadInput: it may not; says why.
        OSError: the disk.
    """
    out = order.out
    _check_place(out)
    if os.path.lexists(out):
        if not order.replace:
            raise BadInput("OUT", "a folder that is not there yet (or --replace)", str(out))
        _check_replaceable(out)
    if os.path.lexists(order.old_folder):  # of a delivery that was cut off, or somebody's own
        _check_place(order.old_folder)
        _check_replaceable(order.old_folder)
    ours = [path.resolve() for path in (out, order.work_folder, order.old_folder)]
    for field, name in FOLDERS.items():
        folder = getattr(order, field)
        if folder is None:
            continue
        theirs = folder.resolve()
        if any(own == theirs or own in theirs.parents or theirs in own.parents for own in ours):
            raise BadInput("OUT", f"a folder that neither is, holds nor lies in that of {name} ({theirs})", str(out))


def _check_place(out: Path) -> None:
    above = next(path for path in (*out.parents, out) if os.path.lexists(path))
    if not above.is_dir():
        raise BadInput("OUT", f"a place in a folder ({above} is none)", str(out))
    if os.path.lexists(out) and (out.is_symlink() or not out.is_dir()):
        raise BadInput("OUT", "a folder, no file and no link", str(out))
    if out.is_mount():  # it could not be renamed in the end
        raise BadInput("OUT", "a folder that can be renamed, so no mount point", str(out))


def _check_replaceable(out: Path) -> None:
    there = {path.name for path in out.iterdir()}
    if not there:
        return
    try:
        spec = json.loads((out / SPEC_FILE).read_text(encoding="utf-8"))
        files = set(spec["artifacts"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput("OUT", f"a bundle to --replace (no {SPEC_FILE} of one in it)", str(out)) from error
    if strange := sorted(there - files - {SPEC_FILE, DONE_FILE}):
        few = ", ".join(strange[:3])
        raise BadInput("OUT", f"a bundle and nothing else to --replace ({few} would be lost)", str(out))


def check_room(folder: Path, needed_bytes: int) -> None:
    """Whether the disk under `folder` can hold so much more.

    Raises:
        DiskFull: it cannot.
    """
    free = shutil.disk_usage(folder).free
    if free < needed_bytes:
        raise DiskFull(folder, needed_bytes, free)


def needed_bytes(numbers: Mapping[str, int], order: Order) -> int:
    """The least that graphs of so many weights (by part; see `Source.weights`) take in the order's precisions, with
    the copy that the check of a bfloat16 graph takes for a while."""
    wide = PRECISIONS["float32"].itemsize
    size = dict.fromkeys(numbers, wide) | dict.fromkeys(("field", "vision"), PRECISIONS[order.precision].itemsize)
    size["codec"] = PRECISIONS[order.codec_precision].itemsize
    size["watermark"] *= order.watermark
    copy = wide * numbers["field"] if order.precision == "bfloat16" else 0
    return sum(number * size[part] for part, number in numbers.items()) + copy
