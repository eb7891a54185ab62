"""The training side's synthetic sounds, made once and kept beside the decoded recordings.

They take minutes to make, so they are kept under a key that changes with the code that makes them: what is found is
what would be made. `made-NAME-KEY.i16` holds the samples, the JSON beside it the recordings; it is renamed into place
last, and what another key made of the same name is removed.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import numpy.typing as npt

from export.train import general_midi, procedural
from export.train.cache import SampleStore, mapped, put_in_place
from export.train.corpus import SPEECH, Recording
from export.train.procedural import sung

logger = logging.getLogger("winnow.export")

Int16 = npt.NDArray[np.int16]
Made = tuple[list[Recording], dict[str, Int16]]


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
        key = _key(sources, [voice.file for voice in voices])
        found += kept(cache, "sung", key, lambda: sung.sung_recordings(voices, store), store)
    if soundfont is not None:
        key = _key([Path(general_midi.__file__), soundfont])
        found += kept(cache, "played", key, lambda: general_midi.midi_recordings(soundfont), store)
    return found


def kept(cache: Path, name: str, key: str, make: Callable[[], Made], store: SampleStore) -> list[Recording]:
    """What `make` gives, its samples in `store`: read from `cache` where the same key was made before.

    Raises:
        OSError: the cache cannot be read or written.
    """
    index = cache / f"made-{name}-{key}.json"
    if not index.exists():
        logger.info("making %s sounds, a few minutes", name)
        _write(index, *make())
        for old in cache.glob(f"made-{name}-*"):
            if old.stem != index.stem:
                old.unlink(missing_ok=True)
    rows = json.loads(index.read_text(encoding="utf-8"))
    samples = mapped(index.with_suffix(".i16"))
    store.add({row["recording"]["file"]: samples[row["begin"] : row["end"]] for row in rows})
    return [_recording(row["recording"]) for row in rows]


def _write(index: Path, recordings: Sequence[Recording], arrays: dict[str, Int16]) -> None:
    rows, begin = [], 0
    with put_in_place(index.with_suffix(".i16")) as begun, begun.open("wb") as out:
        for recording in recordings:
            samples = arrays[recording.file]
            samples.tofile(out)
            rows.append({"recording": asdict(recording), "begin": begin, "end": begin + len(samples)})
            begin += len(samples)
    with put_in_place(index) as begun:
        begun.write_text(json.dumps(rows), encoding="utf-8")


def _recording(row: dict[str, object]) -> Recording:
    return Recording(**{**row, "concepts": tuple(row["concepts"])})  # type: ignore[arg-type]


def _key(files: Iterable[Path], words: Sequence[str] = ()) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    digest.update(json.dumps(list(words)).encode())
    return digest.hexdigest()[:16]
