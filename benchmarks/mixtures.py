"""Where every benchmark of quality takes its mixtures from: the same options, the same held-out recordings.

A folder that our training drew from is split by speaker and by source recording (`export.train.corpus`), and only what
was held out is used; a folder that it never saw may be used whole (`--all-recordings`). Which mixtures are made of them
is fixed by the seed (`export.train.mixtures`).
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import report
from export.train.cache import SampleStore, build_cache
from export.train.corpus import Recording, read_manifest, split


def options(doc: str | None) -> argparse.ArgumentParser:
    """A benchmark's parser that also asks for a folder of recordings and a bundle."""
    parser = _folder_options(doc)
    parser.add_argument("--all-recordings", action="store_true", help="the folder was never trained on: use all of it")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of a mixture")
    return parser


def sided_options(doc: str | None) -> argparse.ArgumentParser:
    """The same for a benchmark that asks on either side of the split."""
    parser = _folder_options(doc)
    parser.add_argument("--side", choices=("held-out", "train"), default="held-out")
    parser.add_argument("--per-concept", type=int, default=6)
    return parser


@contextmanager
def held_out_recordings(asked: argparse.Namespace) -> Iterator[tuple[list[Recording], SampleStore]]:
    """The recordings that may be judged with, and their samples, for as long as the block runs.

    Raises:
        OSError: manifest or recordings cannot be read.
    """
    recordings = read_manifest(asked.data)
    held_out = recordings if asked.all_recordings else split(recordings)[1]
    with _decoded(asked, held_out) as store:
        yield held_out, store


@contextmanager
def recordings_of_a_side(asked: argparse.Namespace) -> Iterator[tuple[list[Recording], SampleStore]]:
    """Those of the side that is asked for, likewise.

    Raises:
        OSError: manifest or recordings cannot be read.
    """
    train, held_out = split(read_manifest(asked.data))
    recordings = train if asked.side == "train" else held_out
    with _decoded(asked, recordings) as store:
        yield recordings, store


def _folder_options(doc: str | None) -> argparse.ArgumentParser:
    parser = report.options(doc)
    parser.add_argument("--data", type=Path, required=True, help="folder with manifest.csv and the recordings")
    parser.add_argument("--cache", type=Path, help="where decoded samples are kept (default: a temporary folder)")
    parser.add_argument("--model", default="default", help="bundle name or folder (default: the embedded model)")
    return parser


@contextmanager
def _decoded(asked: argparse.Namespace, recordings: list[Recording]) -> Iterator[SampleStore]:
    with tempfile.TemporaryDirectory() as temporary:
        cache = asked.cache or Path(temporary)
        build_cache(asked.data, recordings, cache)
        yield SampleStore.open(cache)
