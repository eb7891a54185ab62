"""Decode the recordings once into int16 parts at 48 kHz, so that a training step costs no decoder.

A part is two files: `part-K.i16` (mono samples, one recording after the other, native endianness) and `part-K.json`
(`{file: [offset, length]}` in samples). The JSON is renamed into place last: a part without it is decoded again.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from export.train.corpus import SAMPLE_RATE, Recording, read_manifest, split

logger = logging.getLogger("winnow.export")

Int16 = npt.NDArray[np.int16]
PARTS = 4


def decode(path: Path) -> Int16:
    """`[n]` int16 mono samples at 48 kHz of any file that PyAV opens.

    Raises:
        av.FFmpegError: the file is not media.
    """
    pieces: list[Int16] = []
    resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            pieces += [np.asarray(out.to_ndarray()[0], np.int16) for out in resampler.resample(frame)]
    pieces += [np.asarray(out.to_ndarray()[0], np.int16) for out in resampler.resample(None)]
    return np.concatenate(pieces) if pieces else np.zeros(0, np.int16)


def _build_part(folder: Path, files: Sequence[str], cache: Path, part: int) -> int:
    index: dict[str, list[int]] = {}
    offset = 0
    data = cache / f"part-{part}.i16"
    with data.with_suffix(".tmp").open("wb") as out:
        for file in files:
            samples = decode(folder / file)
            samples.tofile(out)
            index[file] = [offset, len(samples)]
            offset += len(samples)
    data.with_suffix(".tmp").replace(data)
    partial = cache / f"part-{part}.json.tmp"
    partial.write_text(json.dumps(index), encoding="utf-8")
    partial.replace(cache / f"part-{part}.json")
    return offset


def build_cache(folder: Path, recordings: Sequence[Recording], cache: Path, workers: int | None = None) -> None:
    """Decode what `cache` does not hold yet, `PARTS` parts in parallel processes.

    Raises:
        OSError: a recording cannot be read or the cache not written.
    """
    cache.mkdir(parents=True, exist_ok=True)
    files = sorted(recording.file for recording in recordings)
    parts = {k: files[k::PARTS] for k in range(PARTS)}
    todo = [k for k in parts if not _part_is_complete(cache, k, parts[k])]
    if not todo:
        return
    logger.info("decoding %d recordings into %s", sum(len(parts[k]) for k in todo), cache)
    with ProcessPoolExecutor(workers or os.cpu_count()) as pool:
        jobs = [pool.submit(_build_part, folder, parts[k], cache, k) for k in todo]
        for job in jobs:
            job.result()


def _part_is_complete(cache: Path, part: int, files: Sequence[str]) -> bool:
    index = cache / f"part-{part}.json"
    return index.is_file() and set(files) <= set(json.loads(index.read_text(encoding="utf-8")))


class SampleStore:
    """Samples of recordings by file name, read from the memory-mapped parts of a cache (or from given arrays)."""

    def __init__(self, arrays: Mapping[str, Int16]) -> None:
        self._arrays = dict(arrays)

    @classmethod
    def open(cls, cache: Path) -> SampleStore:
        """Map every complete part of `cache`.

        Raises:
            FileNotFoundError: there is no complete part.
        """
        arrays: dict[str, Int16] = {}
        for index_file in sorted(cache.glob("part-*.json")):
            index = json.loads(index_file.read_text(encoding="utf-8"))
            data = np.memmap(index_file.with_suffix(".i16"), dtype=np.int16, mode="r")
            arrays.update({file: data[offset : offset + n] for file, (offset, n) in index.items()})
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


def open_recordings(data: Path, cache: Path) -> tuple[list[Recording], list[Recording], SampleStore]:
    """(train, held out, samples) of a data folder, decoded into `cache` where that has not been done yet.

    Raises:
        OSError: data or cache cannot be read or written.
    """
    recordings = read_manifest(data)
    build_cache(data, recordings, cache)
    train, held_out = split(recordings)
    return train, held_out, SampleStore.open(cache)
