from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from export.train import procedural, synthetic
from export.train.cache import SampleStore
from export.train.corpus import PROCEDURAL, Recording
from export.train.procedural.kind import Kind
from export.train.synthetic import finished, kept, synthetic_recordings


def made(calls: list[int], value: int = 1) -> synthetic.Made:
    calls.append(value)
    files = ("alarm_0", "alarm_1")
    recordings = [Recording(f, "alarm", ("alarm",), PROCEDURAL, "Apache-2.0", "", 48_000, 0.1) for f in files]
    tone = 1000 * np.sin(2 * np.pi * 1000 * np.arange(4800) / 48_000)
    return recordings, {file: np.asarray((value + k) * tone, np.int16) for k, file in enumerate(files)}


def test_what_was_made_once_is_read(tmp_path: Path) -> None:
    calls: list[int] = []
    stores = [SampleStore({}) for _ in range(2)]
    first, again = (kept(tmp_path, "some", "a", lambda: made(calls), store) for store in stores)
    assert calls == [1]
    assert first == again == made([])[0]
    for store in stores:
        np.testing.assert_array_equal(store["alarm_1"], finished(made([])[1]["alarm_1"]))


def test_what_another_key_made_goes_after_a_day(tmp_path: Path) -> None:
    calls: list[int] = []
    store = SampleStore({})
    kept(tmp_path, "some", "old", lambda: made(calls, 1), store)
    kept(tmp_path, "other", "old", lambda: made(calls, 7), SampleStore({}))
    kept(tmp_path, "some", "new", lambda: made(calls, 3), store)
    assert calls == [1, 7, 3]
    assert names(tmp_path) == {"made-other-old", "made-some-new", "made-some-old"}
    for path in tmp_path.iterdir():
        os.utime(path, (1e9, 1e9))
    begun = tmp_path / "made-some-third.i16.0.tmp"
    begun.touch()
    kept(tmp_path, "some", "newest", lambda: made(calls, 4), store)
    assert names(tmp_path) == {"made-other-old", "made-some-newest", "made-some-third.i16.0"}


def names(folder: Path) -> set[str]:
    return {path.stem for path in folder.iterdir()}


def test_an_index_without_samples_is_made_anew(tmp_path: Path) -> None:
    calls: list[int] = []
    kept(tmp_path, "some", "a", lambda: made(calls), SampleStore({}))
    (tmp_path / "made-some-a.i16").unlink()
    kept(tmp_path, "some", "a", lambda: made(calls), SampleStore({}))
    assert calls == [1, 1]


@pytest.mark.parametrize(
    ("suffix", "content"),
    [
        (".i16", b"\0" * 100), (".json", b'[{"recording"'), (".json", b"\xff\xfe"), (".json", b"[{}]"),
        (".json", b'[{"recording": {}, "begin": 0, "end": "x"}]'), (".json", b"[1]"), (".json", b"5"),
    ],
)  # fmt: skip
def test_what_is_damaged_is_made_anew(
    suffix: str, content: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[int] = []
    kept(tmp_path, "some", "a", lambda: made(calls), SampleStore({}))
    (tmp_path / f"made-some-a{suffix}").write_bytes(content)
    store = SampleStore({})
    assert kept(tmp_path, "some", "a", lambda: made(calls), store) == made([])[0]
    assert calls == [1, 1]
    assert caplog.messages[0].startswith(f"{tmp_path / 'made-some-a.json'} is damaged (")
    np.testing.assert_array_equal(store["alarm_1"], finished(made([])[1]["alarm_1"]))


def test_two_processes_that_make_the_same_do_not_disturb_each_other(tmp_path: Path) -> None:
    """The second begins and ends while the first is still making."""
    store = SampleStore({})

    def slow() -> synthetic.Made:
        kept(tmp_path, "some", "a", lambda: made([]), SampleStore({}))
        return made([])

    kept(tmp_path, "some", "a", slow, store)
    assert names(tmp_path) == {"made-some-a"}
    assert np.abs(store["alarm_0"]).max() == 16_000


def test_what_is_finished_has_no_infrasound_and_no_faint_ends() -> None:
    rng = np.random.default_rng(1)
    t = np.arange(96_000) / 48_000
    chirp = np.where((t > 0.5) & (t < 0.9), np.sin(2 * np.pi * 2000 * t), 0.0)
    rumble = 0.8 * np.sin(2 * np.pi * 12 * t) + 0.3
    samples = np.asarray(8000 * (chirp + rumble) + 3 * rng.standard_normal(len(t)), np.int16)
    out = finished(samples).astype(float)
    assert len(out) == pytest.approx(0.4 * 48_000, abs=1000)
    assert np.abs(out).max() == 16_000
    power = np.square(np.abs(np.fft.rfft(out)))
    assert power[: int(25 * len(out) / 48_000)].sum() < 1e-4 * power.sum()
    assert not finished(np.zeros(4800, np.int16)).any()


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
    assert all(len(store[one.file]) == one.seconds * 48_000 > 4000 for one in found)
