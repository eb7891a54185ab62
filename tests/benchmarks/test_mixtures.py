"""Where benchmarks take their recordings from: a cache that a training may share keeps all that is in it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.mixtures import held_out_recordings, options, recordings_of_a_side, sided_options
from export.train.cache import build_cache
from export.train.corpus import read_manifest, split
from tests.benchmarks.recordings import make_folder


def asked(data: Path, cache: Path, *further: str) -> argparse.Namespace:
    return options("a benchmark").parse_args(["--data", str(data), "--cache", str(cache), *further])


def parts(cache: Path) -> dict[str, list[str]]:
    return {file.name: sorted(json.loads(file.read_text(encoding="utf-8"))) for file in cache.glob("part-*.json")}


def test_a_shared_cache_keeps_what_was_not_held_out(tmp_path: Path) -> None:
    data, cache = make_folder(tmp_path), tmp_path / "cache"
    build_cache(data, read_manifest(data), cache)
    before = parts(cache)
    with held_out_recordings(asked(data, cache)) as (held_out, store):
        assert {recording.file for recording in held_out} == {r.file for r in split(read_manifest(data))[1]}
        assert all(recording.file in store for recording in held_out)
    assert parts(cache) == before
    assert sum(len(files) for files in before.values()) == len(read_manifest(data))


def test_a_folder_never_trained_on_is_used_whole(tmp_path: Path) -> None:
    data = make_folder(tmp_path, seconds=0.5)
    with held_out_recordings(asked(data, tmp_path / "cache", "--all-recordings")) as (recordings, store):
        assert len(recordings) == 6
        assert np.abs(store["rain0.wav"]).max() > 1000


@pytest.mark.parametrize(("side", "index"), [("train", 0), ("held-out", 1)])
def test_either_side_of_the_split_can_be_asked_for(tmp_path: Path, side: str, index: int) -> None:
    data = make_folder(tmp_path, seconds=0.5)
    wanted = sided_options("a benchmark").parse_args(["--data", str(data), "--side", side])
    with recordings_of_a_side(wanted) as (recordings, store):
        assert recordings == split(read_manifest(data))[index]
        assert all(recording.file in store for recording in recordings)
