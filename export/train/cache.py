"""Decode the recordings once into int16 parts at 48 kHz, so that a training step costs no decoder.

A part is two files: `part-NAME.i16` (mono samples, one recording after the other, native endianness) and
`part-NAME.json` (`{file: [offset, length]}` in samples). The JSON is renamed into place last: a part without it is
decoded again, and so is a damaged one. NAME follows from the names of the recordings in it, and a whole part is never
replaced by another: recordings that are not there yet come into parts of their own. So a benchmark that wants a few may
share a training's cache, and two processes that decode the same recordings at once write the same files; whichever is
last changes nothing.
"""

from __future__ import annotations

import hashlib
import json
import logging
import multiprocessing
import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from engine.errors import BadInput
from export.command_line import require_folder
from export.train.corpus import SAMPLE_RATE, Recording, read_manifest, split
from export.train.interruption import Stopped, mortal

logger = logging.getLogger("winnow.export")

Int16 = npt.NDArray[np.int16]
PARTS = 4
"""Parts that one build is decoded into, in parallel."""


class NotDecodable(BadInput):
    """A recording that FFmpeg cannot make samples of."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(str(path), "a recording that FFmpeg can decode", reason)
        self._made_of = (path, reason)

    def __reduce__(self) -> tuple[type[NotDecodable], tuple[Path, str]]:  # it comes out of another process
        return type(self), self._made_of


def decode(path: Path) -> Int16:
    """`[n]` int16 mono samples at 48 kHz of any file that PyAV opens.

    Raises:
        NotDecodable: the file is not media, or has no sound.
    """
    try:
        return _decode(path)
    except av.FFmpegError as error:
        raise NotDecodable(path, error.strerror or str(error)) from error


def _decode(path: Path) -> Int16:
    pieces: list[Int16] = []
    resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
    with av.open(str(path)) as container:
        if not container.streams.audio:
            raise NotDecodable(path, "no sound in it")
        for frame in container.decode(audio=0):
            pieces += [np.asarray(out.to_ndarray()[0], np.int16) for out in resampler.resample(frame)]
    pieces += [np.asarray(out.to_ndarray()[0], np.int16) for out in resampler.resample(None)]
    return np.concatenate(pieces) if pieces else np.zeros(0, np.int16)


@contextmanager
def put_in_place(path: Path) -> Iterator[Path]:
    """A name that nobody else writes to, renamed to `path` where the block succeeds and removed where it does not."""
    begun = path.with_name(f"{path.name}.{os.getpid()}-{uuid.uuid4().hex}.tmp")
    try:
        yield begun
        begun.replace(path)
    finally:
        begun.unlink(missing_ok=True)


def _part_name(files: Sequence[str]) -> str:
    return "part-" + hashlib.sha256(json.dumps(files).encode()).hexdigest()[:16]


def _build_part(folder: Path, files: Sequence[str], cache: Path) -> None:
    index: dict[str, list[int]] = {}
    offset = 0
    part = cache / _part_name(files)
    with put_in_place(part.with_suffix(".i16")) as begun, begun.open("wb") as out:
        for file in files:
            samples = decode(folder / file)
            samples.tofile(out)
            index[file] = [offset, len(samples)]
            offset += len(samples)
    with put_in_place(part.with_suffix(".json")) as begun:
        begun.write_text(json.dumps(index), encoding="utf-8")


def build_cache(folder: Path, recordings: Sequence[Recording], cache: Path, workers: int | None = None) -> None:
    """Decode what `cache` does not hold yet, in `PARTS` parallel processes; what it holds whole stays.

    Raises:
        BadInput: a recording is not there, or the cache is no place to write to; nothing is decoded then.
        NotDecodable: a recording is not media.
        OSError: the disk.
        Stopped: by a signal; no process decodes on.
    """
    missing = sorted({recording.file for recording in recordings} - _decoded(cache))
    if not missing:
        return
    if absent := [file for file in missing if not (folder / file).is_file()]:
        few = ", ".join(absent[:3]) + (" …" if len(absent) > 3 else "")
        raise BadInput(str(folder), "the recordings of its manifest.csv", f"{len(absent)} missing: {few}")
    require_folder("--cache", cache)  # as every command calls it
    logger.info("decoding %d recordings into %s", len(missing), cache)
    parts = [files for files in (missing[k::PARTS] for k in range(PARTS)) if files]
    with ProcessPoolExecutor(min(workers or os.cpu_count() or 1, len(parts)), initializer=mortal) as pool:
        try:
            jobs = [pool.submit(_build_part, folder, files, cache) for files in parts]
            for job in jobs:
                job.result()
        except Stopped:
            _end_decoders(cache)  # this block waits for them, and a part takes minutes
            raise


def _end_decoders(cache: Path) -> None:
    decoders = multiprocessing.active_children()
    for decoder in decoders:
        decoder.terminate()
    for decoder in decoders:
        decoder.join()
        for begun in cache.glob(f"*.{decoder.pid}-*.tmp"):
            begun.unlink(missing_ok=True)


def _decoded(cache: Path) -> set[str]:
    """Recordings of the whole parts; a damaged one is removed."""
    found: set[str] = set()
    for index in cache.glob("part-*.json"):
        try:
            found |= _read_part(index).keys()
        except FileNotFoundError:
            continue  # another process found it damaged as well, and was faster
        except ValueError as error:
            logger.warning("%s is damaged (%s): what was in it is decoded anew", index, error)
            _remove_part(index)
    return found


def _read_part(index: Path) -> dict[str, Int16]:
    """Samples by file name of a part; ValueError: index or samples are not what was written."""
    try:
        places = {file: (int(offset), int(length)) for file, (offset, length) in read_json(index).items()}
    except (AttributeError, TypeError) as error:
        raise ValueError(f"not {{file: [offset, length]}}: {error}") from error
    data = mapped(index.with_suffix(".i16"), max((sum(place) for place in places.values()), default=0))
    return {file: data[offset : offset + length] for file, (offset, length) in places.items()}


def _remove_part(index: Path) -> None:
    try:
        index.unlink(missing_ok=True)  # first: samples without an index are as good as not there
        index.with_suffix(".i16").unlink(missing_ok=True)
    except OSError as error:
        raise BadInput(str(index), "a whole part, or a folder where it can be made anew", error.strerror) from error


class SampleStore:
    """Samples of recordings by file name, read from the memory-mapped parts of a cache (or from given arrays)."""

    def __init__(self, arrays: Mapping[str, Int16]) -> None:
        self._arrays = dict(arrays)

    @classmethod
    def open(cls, cache: Path) -> SampleStore:
        """Map every complete part of `cache`.

        Raises:
            BadInput: a part is damaged.
            FileNotFoundError: there is no complete part.
        """
        arrays: dict[str, Int16] = {}
        for index_file in sorted(cache.glob("part-*.json")):
            try:
                arrays.update(_read_part(index_file))
            except ValueError as error:
                expected = "a whole part of a cache (without this file it is decoded anew)"
                raise BadInput(str(index_file), expected, str(error)) from error
        if not arrays:
            raise FileNotFoundError(f"no decoded part in {cache}")
        return cls(arrays)

    def __contains__(self, file: str) -> bool:
        return file in self._arrays

    def __getitem__(self, file: str) -> Int16:
        """`[n]` int16 samples; raises KeyError for an unknown file."""
        return self._arrays[file]

    def add(self, arrays: Mapping[str, Int16]) -> None:
        """Further recordings, such as procedural ones."""
        self._arrays.update(arrays)


def read_json(path: Path) -> Any:
    """What a JSON file of the cache holds.

    Raises:
        ValueError: no JSON.
    """
    return json.loads(path.read_text(encoding="utf-8"))


def mapped(path: Path, count: int) -> Int16:
    """`[count]` samples of a file; none cannot be mapped. "c": torch takes no array that cannot be written to.

    Raises:
        ValueError: the file has more or fewer of them.
    """
    size = path.stat().st_size if path.exists() else 0
    if size != count * np.dtype(np.int16).itemsize:
        raise ValueError(f"{path.name} should have {count} samples and has {size / 2:g}")
    return np.memmap(path, dtype=np.int16, mode="c") if count else np.zeros(0, np.int16)


def open_recordings(data: Path, cache: Path) -> tuple[list[Recording], list[Recording], SampleStore]:
    """(train, held out, samples) of a data folder, decoded into `cache` where that has not been done yet.

    Raises:
        BadInput: the manifest, a recording of it or the cache cannot be used.
        OSError: the disk.
    """
    recordings = read_manifest(data)
    build_cache(data, recordings, cache)
    train, held_out = split(recordings)
    return train, held_out, SampleStore.open(cache)
