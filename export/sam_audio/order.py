"""What an export was asked for, and how far it has come: so that one that was cut off goes on where it was."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from engine.errors import BadInput
from engine.spec import PlanLimits

DONE_FILE = "done.json"


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for.

    Args:
        checkpoint: folder with `config.json` and `checkpoint.pt` or safetensors.
        out: the bundle's folder; must not be there unless `replace`.
        t5: folder of T5; looked for beside the checkpoint if None.
        precision: of the transformer and the picture tower.
        codec_precision: of encoder and decoder.
        watermark: with the graph that marks the sound.
        vision: with the picture tower; None: where the checkpoint holds it.
        spans: folder of PE-A-Frame, or None to leave the span predictor out.
        judge: folder of SAM Audio Judge, or None to leave it out.
        windows_s: lengths of windows to build TensorRT plans for, in seconds.
        max_batch: the plans' largest batch; larger ones run on the plain graph.
        name: the bundle's; the checkpoint folder's if None.
        replace: an old bundle at `out` gives way, once the new one is complete.
    """

    checkpoint: Path
    out: Path
    t5: Path | None = None
    precision: str = "float32"
    codec_precision: str = "float32"
    watermark: bool = True
    vision: bool | None = None
    spans: Path | None = None
    judge: Path | None = None
    windows_s: tuple[float, ...] = ()
    max_batch: int = PlanLimits().most_rows
    name: str | None = None
    replace: bool = False

    @property
    def bundle_name(self) -> str:
        """The name asked for, as it is, or the checkpoint folder's in the letters a spec takes."""
        if self.name is not None:
            return self.name
        plain = re.sub(r"[^a-z0-9._-]", "-", self.checkpoint.resolve().name.lower())
        return plain.strip("._-")[:64] or "sam-audio"


@dataclass(frozen=True, slots=True)
class Made:
    """One finished graph: its files and what parity found."""

    files: tuple[str, ...]
    parity: dict[str, float]


class Work:
    """The folder of an unfinished export, and what of it is done; while it is open, no other export gets it."""

    def __init__(self, order: Order, folder: Path, made: dict[str, Made], lock: int) -> None:
        self._order, self.folder, self.made = order, folder, made
        self._lock = lock

    def __enter__(self) -> Work:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._lock)

    @classmethod
    def open(cls, order: Order) -> Work:
        """An unfinished export of the same order goes on; any other begins anew.

        Raises:
            BadInput: another export into `out` is at work.
            OSError: the disk.
        """
        folder = order.out.with_name(f".{order.out.name}.unfinished")
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise BadInput("OUT", "a folder that no other export is writing", str(order.out)) from None
        made: dict[str, Made] = {}
        try:
            done = json.loads((folder / DONE_FILE).read_text(encoding="utf-8"))
            if done["order"] == _fingerprint(order):
                made = {name: Made(tuple(one["files"]), one["parity"]) for name, one in done["made"].items()}
        except (OSError, ValueError, KeyError, TypeError):
            pass
        if not made:
            for path in folder.iterdir():
                path.unlink()
        return cls(order, folder, made, lock)

    def has(self, names: tuple[str, ...]) -> bool:
        """Whether all these graphs are there."""
        return all(name in self.made for name in names)

    def add(self, name: str, made: Made) -> None:
        """One more graph is there and was checked."""
        self.made[name] = made
        done: dict[str, Any] = {
            "order": _fingerprint(self._order),
            "made": {name: asdict(one) for name, one in self.made.items()},
        }
        new = self.folder / (DONE_FILE + ".new")
        new.write_text(json.dumps(done), encoding="utf-8")
        new.replace(self.folder / DONE_FILE)

    def deliver(self) -> None:
        """Give the folder its final name; an old bundle is put aside first, and removed last."""
        out = self._order.out
        (self.folder / DONE_FILE).unlink()
        old = out.with_name(f".{out.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        if out.exists():
            out.rename(old)
        self.folder.rename(out)
        shutil.rmtree(old, ignore_errors=True)


def _fingerprint(order: Order) -> str:
    """Changes with what is asked for and with the files of every folder that is read (by size and time: hashing 15 GB
    takes long)."""
    folders = [folder for folder in (order.checkpoint, order.t5, order.spans, order.judge) if folder is not None]
    seen = []
    for folder in folders:
        files = sorted(path for path in folder.iterdir() if path.is_file())
        seen.append([(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files])
    return hashlib.sha256(repr((order, seen)).encode()).hexdigest()
