"""What an export was asked for, and how far it has come: so that one that was cut off goes on where it was."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from engine.errors import BadInput
from engine.spec import PlanLimits, sha256_of

DONE_FILE = "done.json"
WEIGHTS = (".safetensors", ".pt", ".bin")
SOURCES = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for.

    Args:
        checkpoint: folder with `config.json` and `checkpoint.pt` or safetensors.
        out: the bundle's folder; must not be there unless `replace` (see `beforehand.check_out`).
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
    def work_folder(self) -> Path:
        """Where an unfinished export lies, beside `out`."""
        return self.out.with_name(f".{self.out.name}.unfinished")

    @property
    def old_folder(self) -> Path:
        """Where an old bundle waits until the new one has its name."""
        return self.out.with_name(f".{self.out.name}.old")

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
    """The folder of an unfinished export, and what of it is done; while it is open, no other export gets it.

    `lost` names the graphs that were finished once and whose files are gone or not what was written.
    """

    def __init__(self, order: Order, folder: Path, lock: int) -> None:
        self._order, self.folder, self._lock = order, folder, lock
        self.made: dict[str, Made] = {}
        self.lost: tuple[str, ...] = ()
        self._written: dict[str, tuple[int, str]] = {}

    def __enter__(self) -> Work:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._lock)

    @classmethod
    def open(cls, order: Order) -> Work:
        """An unfinished export of the same order goes on with the graphs whose files are what was written; any other
        begins anew. Whatever else lies in the folder (of a check that was killed, say) is removed.

        Raises:
            BadInput: another export into `out` is at work.
            OSError: the disk.
        """
        folder = order.work_folder
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise BadInput("OUT", "a folder that no other export is writing", str(order.out)) from None
        work = cls(order, folder, lock)
        work._resume()
        work._keep_only({file for made in work.made.values() for file in made.files} | {DONE_FILE})
        return work

    @property
    def written_bytes(self) -> int:
        """How large the finished graphs are."""
        return sum(size for size, _ in self._written.values())

    def has(self, names: tuple[str, ...]) -> bool:
        """Whether all these graphs are there."""
        return all(name in self.made for name in names)

    def add(self, name: str, made: Made) -> None:
        """One more graph is there and was checked.

        Raises:
            OSError: one of its files is not there, or the disk.
        """
        self.made[name] = made
        for file in made.files:
            self._written[file] = ((self.folder / file).stat().st_size, sha256_of(self.folder / file))
        done: dict[str, Any] = {
            "order": _fingerprint(self._order),
            "made": {name: asdict(one) for name, one in self.made.items()},
            "written": self._written,
        }
        new = self.folder / (DONE_FILE + ".new")
        new.write_text(json.dumps(done), encoding="utf-8")
        new.replace(self.folder / DONE_FILE)

    def deliver(self, files: Iterable[str]) -> None:
        """Give the folder, with these files and no other, its final name. An old bundle is put aside first, comes back
        where that fails, and is removed last; until all is delivered, what was done stays known.

        Raises:
            OSError: the disk.
        """
        self._keep_only({*files, DONE_FILE})
        out, old = self._order.out, self._order.old_folder
        if out.exists():
            shutil.rmtree(old, ignore_errors=True)
            out.rename(old)
        try:
            self.folder.rename(out)
        except OSError:
            if old.exists():
                old.rename(out)
            raise
        (out / DONE_FILE).unlink()
        shutil.rmtree(old, ignore_errors=True)

    def _resume(self) -> None:
        try:
            done = json.loads((self.folder / DONE_FILE).read_text(encoding="utf-8"))
            if done["order"] != _fingerprint(self._order):
                return
            made = {name: Made(tuple(one["files"]), one["parity"]) for name, one in done["made"].items()}
            written = {file: (int(size), str(digest)) for file, (size, digest) in done["written"].items()}
        except (OSError, ValueError, KeyError, TypeError):  # none, or of another kind: everything is made again
            return
        whole = {file for file, seen in written.items() if _is(self.folder / file, *seen)}
        self.made = {name: one for name, one in made.items() if set(one.files) <= whole}
        if "velocity" not in self.made:  # its plans were built from it
            self.made = {name: one for name, one in self.made.items() if not name.startswith("velocity@")}
        self._written = {file: written[file] for one in self.made.values() for file in one.files}
        self.lost = tuple(sorted(set(made) - set(self.made)))

    def _keep_only(self, files: set[str]) -> None:
        for path in self.folder.iterdir():
            if path.name in files:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def _is(path: Path, size: int, digest: str) -> bool:
    """Whether the file is the one that was written."""
    return path.is_file() and path.stat().st_size == size and sha256_of(path) == digest


def _fingerprint(order: Order) -> str:
    """Changes with whatever graphs follow from: what is asked for, configurations and weights of every folder that is
    read (by size and time: hashing 15 GB takes long), and the code. Names, tokenizers and licences are written anew in
    any case."""
    asked = {name: value for name, value in asdict(order).items() if name not in ("out", "name", "replace")}
    folders = {name: getattr(order, name) for name in ("checkpoint", "t5", "spans", "judge")}
    seen: dict[str, Any] = {}
    for name, folder in folders.items():
        if folder is not None:
            asked[name] = str(folder.resolve())
            files = sorted(path for path in folder.iterdir() if _makes_graphs(path))
            seen[name] = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return hashlib.sha256(repr((asked, seen, _code())).encode()).hexdigest()


def _makes_graphs(path: Path) -> bool:
    return path.is_file() and (path.name == "config.json" or path.suffix in WEIGHTS)


@cache
def _code() -> tuple[str, ...]:
    """What makes the graphs: our version and sources (definitions, opset, precisions), and those who write them."""
    own = hashlib.sha256()
    for path in sorted((*SOURCES.glob("sam_audio/*.py"), *SOURCES.glob("models/sam_audio/*.py"))):
        own.update(path.name.encode() + path.read_bytes())
    return own.hexdigest(), *(f"{name} {_version(name)}" for name in ("winnow-live", "torch", "onnx", "onnxscript"))


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:  # a source tree that was not installed
        return "0"
