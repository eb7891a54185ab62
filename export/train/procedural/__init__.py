"""Sounds made by formula, for classes with few recordings; and noises that belong to no class.

Each kind draws its parameters at random within what such devices, bodies and beings do, so that no two takes are alike.
They teach a class's shape; they say nothing of held-out quality and are never held out.
"""

from __future__ import annotations

import multiprocessing
import os
import zlib
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
import numpy.typing as npt

from export.train.corpus import PROCEDURAL, SAMPLE_RATE, Recording
from export.train.procedural import (
    animals,
    blasts,
    blown,
    impacts,
    motors,
    noises,
    singing,
    struck,
    tones,
    voices,
    weather,
)
from export.train.procedural.kind import Kind
from export.train.procedural.signals import clip_of
from export.train.progress import counted

KINDS: tuple[Kind, ...] = (
    *tones.KINDS, *blown.KINDS, *struck.KINDS, *impacts.KINDS, *blasts.KINDS, *noises.KINDS,
    *motors.KINDS, *weather.KINDS, *voices.KINDS, *singing.KINDS, *animals.KINDS,
)  # fmt: skip


def made(kind: Kind, seed: int, take: int) -> npt.NDArray[np.int16]:
    """One clip; it depends on the kind's own name, so that a new kind changes no other."""
    key = zlib.crc32(f"{kind.label}/{kind.name}".encode())
    return clip_of(kind.make(np.random.default_rng([seed, key, take])))


def file_name(kind: Kind, take: int) -> str:
    """Its origin is the kind: `procedural/car_horn_air_3` → `car_horn_air`."""
    return f"procedural/{f'{kind.label} {kind.name}'.strip().replace(' ', '_')}_{take}"


def procedural_recordings(seed: int = 7) -> tuple[list[Recording], dict[str, npt.NDArray[np.int16]]]:
    """Recordings and their int16 samples by file name; the same for the same seed. Made by as many processes as there
    are cores."""
    takes = [(number, take) for number, kind in enumerate(KINDS) for take in range(kind.clips)]
    with ProcessPoolExecutor(min(os.cpu_count() or 1, len(takes)), multiprocessing.get_context("fork")) as pool:
        clips = pool.map(partial(_take, seed), takes, chunksize=8)
        arrays = {}
        with counted("making procedural sounds", len(takes)) as tell:
            for (number, take), clip in zip(takes, clips, strict=True):
                arrays[file_name(KINDS[number], take)] = clip
                tell(len(arrays))
    return [
        Recording(file, kind.label, (kind.label,) if kind.label else (), PROCEDURAL, "Apache-2.0", "", SAMPLE_RATE,
                  len(arrays[file]) / SAMPLE_RATE)
        for kind in KINDS for file in (file_name(kind, take) for take in range(kind.clips))
    ], arrays  # fmt: skip


def _take(seed: int, which: tuple[int, int]) -> npt.NDArray[np.int16]:
    number, take = which
    return made(KINDS[number], seed, take)
