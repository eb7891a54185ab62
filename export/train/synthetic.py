"""The training side's synthetic sounds, made once and kept beside the decoded recordings.

They take minutes to make, so they are kept under a key that changes with the code that makes them, with what it is
given and with the libraries behind it. `made-NAME-KEY.i16` holds the samples, the JSON beside it the recordings; it is
renamed into place last. What is damaged is made anew; what another key made of the same name is removed a day later.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from importlib import metadata
from pathlib import Path

import numpy as np
import numpy.typing as npt

from export.train import corpus, general_midi, procedural
from export.train.cache import SampleStore, mapped, put_in_place, read_json
from export.train.corpus import SAMPLE_RATE, SPEECH, Recording
from export.train.procedural import sung
from export.train.procedural.signals import PEAK
from export.train.progress import counted

logger = logging.getLogger("winnow.export")

Int16 = npt.NDArray[np.int16]
Made = tuple[list[Recording], dict[str, Int16]]
LOWEST_HZ = 30.0
"""What lies below is left out: nobody hears it, and it would count as power."""
FAINT_DB = 45.0
"""Ends that are softer than this below the loudest 10 ms are cut off."""
LIBRARIES = ("numpy", "scipy", "pyworld", "pyfluidsynth")
STALE_S = 24 * 3600.0


def synthetic_recordings(
    train: Sequence[Recording], store: SampleStore, cache: Path, soundfont: Path | None, *, sing: bool
) -> list[Recording]:
    """Recordings whose samples are now in `store`: procedural ones, what a soundfont plays, and, if they are to
    `sing`, the training's own voices.

    Raises:
        OSError: cache or soundfont cannot be read or written.
        ImportError: a soundfont is given and FluidSynth is not installed, or they are to sing and WORLD is not.
    """
    sources = sorted(Path(procedural.__file__).parent.glob("*.py"))
    found = kept(cache, "procedural", _key(sources), procedural.procedural_recordings, store)
    if sing:
        voices = [recording for recording in train if recording.label == SPEECH]
        key = _key(sources, [f"{voice} {len(store[voice.file])}" for voice in voices])
        found += kept(cache, "sung", key, lambda: sung.sung_recordings(voices, store), store)
    if soundfont is not None:
        key = _key([Path(general_midi.__file__), soundfont])
        found += kept(cache, "played", key, lambda: general_midi.midi_recordings(soundfont), store)
    return found


def kept(cache: Path, name: str, key: str, make: Callable[[], Made], store: SampleStore) -> list[Recording]:
    """What `make` gives, its samples in `store`: read from `cache` where the same key was made before, and is whole.

    Raises:
        OSError: the cache cannot be read or written.
    """
    index = cache / f"made-{name}-{key}.json"
    if not _is_whole(index):
        logger.info("making %s sounds", name)
        _write(index, name, *make())
        _remove_stale(cache, name, index)
    recordings, arrays = _read(index)
    store.add(arrays)
    return recordings


def _is_whole(index: Path) -> bool:
    if not index.exists():
        return False
    try:
        _read(index)
    except (KeyError, TypeError, ValueError) as error:
        logger.warning("%s is damaged (%s: %s): made anew", index, type(error).__name__, error)
        return False
    return True


def _read(index: Path) -> Made:
    rows = read_json(index)
    samples = mapped(index.with_suffix(".i16"), max((row["end"] for row in rows), default=0))
    recordings = [_recording(row["recording"]) for row in rows]
    return recordings, {one.file: samples[row["begin"] : row["end"]] for one, row in zip(recordings, rows, strict=True)}


def _remove_stale(cache: Path, name: str, index: Path) -> None:
    """Only what nobody has made anew for a day: another run may read it, or be writing it."""
    for suffix in (".json", ".i16"):  # the index first: samples without one are as good as not there
        for old in cache.glob(f"made-{name}-*{suffix}"):
            if old.stem != index.stem and time.time() - old.stat().st_mtime > STALE_S:
                old.unlink(missing_ok=True)


def finished(samples: Int16) -> Int16:
    """`[n]` without infrasound and without faint ends, brought to one peak: what is made must sound where it lies."""
    spectrum = np.fft.rfft(samples)
    spectrum[: int(LOWEST_HZ * len(samples) / SAMPLE_RATE) + 1] = 0
    heard = np.fft.irfft(spectrum, n=len(samples))
    hop = SAMPLE_RATE // 100
    power = np.mean(np.square(heard[: len(heard) // hop * hop].reshape(-1, hop)), axis=1)
    if not power.any():
        return samples
    loud = np.flatnonzero(power > power.max() * 10 ** (-FAINT_DB / 10))
    heard = heard[loud[0] * hop : (loud[-1] + 1) * hop]
    return np.asarray(heard * (PEAK / np.abs(heard).max()), np.int16)


def _write(index: Path, name: str, recordings: Sequence[Recording], arrays: dict[str, Int16]) -> None:
    rows, begin = [], 0
    with (
        put_in_place(index.with_suffix(".i16")) as begun,
        begun.open("wb") as out,
        counted(f"keeping {name} sounds", len(recordings)) as tell,
    ):
        for recording in recordings:
            samples = finished(arrays[recording.file])
            samples.tofile(out)
            recording = replace(recording, seconds=len(samples) / SAMPLE_RATE)
            rows.append({"recording": asdict(recording), "begin": begin, "end": begin + len(samples)})
            begin += len(samples)
            tell(len(rows))
    with put_in_place(index) as begun:
        begun.write_text(json.dumps(rows), encoding="utf-8")


def _recording(row: dict[str, object]) -> Recording:
    return Recording(**{**row, "concepts": tuple(row["concepts"])})  # type: ignore[arg-type]


def _key(files: Iterable[Path], words: Sequence[str] = ()) -> str:
    digest = hashlib.sha256()
    for file in (Path(__file__), Path(corpus.__file__), *files):
        digest.update(file.read_bytes())
    digest.update(json.dumps([*words, *map(_version, LIBRARIES)]).encode())
    return digest.hexdigest()[:16]


def _version(library: str) -> str:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return "absent"  # an optional one: what needs it is not made either
