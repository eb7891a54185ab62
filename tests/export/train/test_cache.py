from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from export.train import cache
from export.train.cache import SampleStore, build_cache, decode, open_recordings
from tests.export.conftest import recording


def write_tone(path: Path, seconds: float = 0.5, rate_hz: int = 24_000) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    t = np.arange(int(seconds * rate_hz)) / rate_hz
    soundfile.write(path, 0.25 * np.sin(2 * np.pi * 440 * t), rate_hz, subtype="PCM_16")


def test_decoding_resamples_to_48_khz_mono(tmp_path: Path) -> None:
    write_tone(tmp_path / "a.wav")
    samples = decode(tmp_path / "a.wav")
    assert samples.dtype == np.int16
    assert abs(len(samples) - 24_000) < 100
    assert abs(int(samples.max()) - 8192) < 300


def test_a_cache_gives_back_what_was_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "PARTS", 1)
    for name in ("a.wav", "b.wav"):
        write_tone(tmp_path / "data" / name)
    recordings = [recording(name, "whistle") for name in ("a.wav", "b.wav")]
    build_cache(tmp_path / "data", recordings, tmp_path / "cache", workers=1)
    store = SampleStore.open(tmp_path / "cache")
    assert "a.wav" in store
    np.testing.assert_array_equal(store["b.wav"], decode(tmp_path / "data" / "b.wav"))
    before = (tmp_path / "cache" / "part-0.i16").stat().st_mtime_ns
    build_cache(tmp_path / "data", recordings, tmp_path / "cache")
    assert (tmp_path / "cache" / "part-0.i16").stat().st_mtime_ns == before


def test_a_cache_without_a_complete_part_is_refused(tmp_path: Path) -> None:
    (tmp_path / "part-0.i16").write_bytes(b"\0" * 100)
    with pytest.raises(FileNotFoundError, match="no decoded part"):
        SampleStore.open(tmp_path)


def test_a_data_folder_is_opened_in_one_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "PARTS", 1)
    write_tone(tmp_path / "a.wav")
    (tmp_path / "manifest.csv").write_text(
        "file,class,caption,source,licence,split,speaker,native_sr,seconds\n"
        "a.wav,whistle,whistle,x/y,CC0,train,,24000,0.5\n",
        encoding="utf-8",
    )
    train, held_out, store = open_recordings(tmp_path, tmp_path / "cache")
    assert ([r.file for r in train], held_out) == (["a.wav"], [])
    assert len(store["a.wav"])
