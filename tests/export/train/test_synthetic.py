from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from export.train import procedural, synthetic
from export.train.cache import SampleStore
from export.train.corpus import PROCEDURAL, Recording
from export.train.procedural.kind import Kind
from export.train.synthetic import kept, synthetic_recordings


def made(calls: list[int], value: int = 1) -> synthetic.Made:
    calls.append(value)
    files = ("alarm_0", "alarm_1")
    recordings = [Recording(f, "alarm", ("alarm",), PROCEDURAL, "Apache-2.0", "", 48_000, 0.1) for f in files]
    return recordings, {file: np.full(5, value + k, np.int16) for k, file in enumerate(files)}


def test_what_was_made_once_is_read(tmp_path: Path) -> None:
    calls: list[int] = []
    stores = [SampleStore({}) for _ in range(2)]
    first, again = (kept(tmp_path, "some", "a", lambda: made(calls), store) for store in stores)
    assert calls == [1]
    assert first == again == made([])[0]
    for store in stores:
        assert store["alarm_1"].tolist() == [2] * 5


def test_another_key_makes_it_anew_and_leaves_nothing_old(tmp_path: Path) -> None:
    calls: list[int] = []
    store = SampleStore({})
    kept(tmp_path, "some", "a", lambda: made(calls, 1), store)
    kept(tmp_path, "other", "a", lambda: made(calls, 7), SampleStore({}))
    kept(tmp_path, "some", "b", lambda: made(calls, 3), store)
    assert calls == [1, 7, 3]
    assert store["alarm_0"].tolist() == [3] * 5
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "made-other-a.i16", "made-other-a.json", "made-some-b.i16", "made-some-b.json",
    ]  # fmt: skip


def test_a_fault_while_making_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> synthetic.Made:
        raise RuntimeError("no such voice")

    with pytest.raises(RuntimeError, match="no such voice"):
        kept(tmp_path, "some", "a", fail, SampleStore({}))
    assert not list(tmp_path.iterdir())


def test_the_corpus_gets_what_is_procedural(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = Kind("alarm", "test", lambda rng: rng.standard_normal(4800), clips=3)
    monkeypatch.setattr(procedural, "KINDS", (kind,))
    store = SampleStore({})
    found = synthetic_recordings([], store, tmp_path, None, sing=False)
    assert [one.label for one in found] == ["alarm"] * 3
    assert all(len(store[one.file]) == 4800 for one in found)
