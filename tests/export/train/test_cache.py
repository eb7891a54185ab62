from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from engine.errors import BadInput
from export.train import cache
from export.train.cache import SampleStore, build_cache, decode, open_recordings, put_in_place
from export.train.corpus import Recording
from export.train.interruption import Stopped, heard
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


def make(folder: Path, *names: str) -> list[Recording]:
    """Recordings of these names, each of a length of its own."""
    for number, name in enumerate(names):
        write_tone(folder / name, seconds=0.3 + 0.05 * number)
    return [recording(name, "whistle") for name in names]


def as_it_is(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


def test_a_cache_gives_back_what_was_decoded(tmp_path: Path) -> None:
    recordings = make(tmp_path / "data", "a.wav", "b.wav", "c.wav", "d.wav", "e.wav")
    build_cache(tmp_path / "data", recordings, tmp_path / "cache", workers=2)
    store = SampleStore.open(tmp_path / "cache")
    for item in recordings:
        np.testing.assert_array_equal(store[item.file], decode(tmp_path / "data" / item.file))
    assert "f.wav" not in store
    assert not list((tmp_path / "cache").glob("*.tmp"))
    before = as_it_is(tmp_path / "cache")
    build_cache(tmp_path / "data", recordings, tmp_path / "cache")
    assert as_it_is(tmp_path / "cache") == before


def test_one_recording_makes_a_cache_that_opens(tmp_path: Path) -> None:
    build_cache(tmp_path / "data", make(tmp_path / "data", "a.wav"), tmp_path / "cache", workers=1)
    assert len(SampleStore.open(tmp_path / "cache")["a.wav"])


def test_a_part_without_samples_is_opened(tmp_path: Path) -> None:
    for name, index in (("part-0", "{}"), ("part-1", '{"silent.wav": [0, 0]}')):
        (tmp_path / f"{name}.i16").write_bytes(b"")
        (tmp_path / f"{name}.json").write_text(index, encoding="utf-8")
    assert SampleStore.open(tmp_path)["silent.wav"].shape == (0,)


def test_a_few_of_the_recordings_change_nothing_in_a_fuller_cache(tmp_path: Path) -> None:
    recordings = make(tmp_path / "data", "a.wav", "b.wav", "c.wav", "d.wav", "e.wav")
    build_cache(tmp_path / "data", recordings, tmp_path / "cache", workers=1)
    before = as_it_is(tmp_path / "cache")
    build_cache(tmp_path / "data", recordings[1:3], tmp_path / "cache", workers=1)
    assert as_it_is(tmp_path / "cache") == before


def test_further_recordings_come_beside_those_that_are_there(tmp_path: Path) -> None:
    recordings = make(tmp_path / "data", "a.wav", "b.wav", "c.wav", "d.wav", "e.wav", "f.wav")
    build_cache(tmp_path / "data", recordings[:4], tmp_path / "cache", workers=1)
    before = as_it_is(tmp_path / "cache")
    build_cache(
        tmp_path / "data", recordings[2:], tmp_path / "cache", workers=1
    )  # some there, some not, some not asked
    assert before.items() <= as_it_is(tmp_path / "cache").items()
    store = SampleStore.open(tmp_path / "cache")
    for item in recordings:
        np.testing.assert_array_equal(store[item.file], decode(tmp_path / "data" / item.file))


def test_processes_that_decode_at_once_leave_one_whole_cache(tmp_path: Path) -> None:
    recordings = make(tmp_path / "data", *(f"{number}.wav" for number in range(8)))
    code = """if True:
        import sys
        from pathlib import Path
        from export.train.cache import build_cache
        from export.train.corpus import Recording
        data, cache, *files = sys.argv[1:]
        sys.stdin.readline()  # all of them begin at the same moment
        made = [Recording(file, "whistle", (), "", "", "", 24_000, 0.5) for file in files]
        build_cache(Path(data), made, Path(cache), workers=2)
    """
    files = [item.file for item in recordings]
    begun = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "data"), str(tmp_path / "cache"), *asked],
            stdin=subprocess.PIPE, cwd=Path(__file__).parents[3],
        )
        for asked in (files, files, files[:5])
    ]  # fmt: skip
    for process in begun:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.close()
    assert [process.wait(60) for process in begun] == [0, 0, 0]
    store = SampleStore.open(tmp_path / "cache")
    for file in files:
        np.testing.assert_array_equal(store[file], decode(tmp_path / "data" / file))
    assert not list((tmp_path / "cache").glob("*.tmp"))


def test_what_cannot_be_decoded_leaves_nothing_half_done(tmp_path: Path) -> None:
    recordings = make(tmp_path / "data", "a.wav")
    (tmp_path / "data" / "a.wav").write_bytes(b"not a wave file")
    with pytest.raises(BadInput, match=r"a\.wav: expected a recording that FFmpeg can decode, got 'Invalid data"):
        build_cache(tmp_path / "data", recordings, tmp_path / "cache", workers=1)
    assert not list((tmp_path / "cache").iterdir())


def test_pictures_without_sound_are_no_recording(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "silent.avi"), "w") as container:
        stream = container.add_stream("mpeg4", rate=25, width=64, height=64, pix_fmt="yuv420p")
        container.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
        container.mux(stream.encode(None))
    with pytest.raises(BadInput, match=r"silent\.avi: .* got 'no sound in it'"):
        decode(tmp_path / "silent.avi")


def test_recordings_that_are_not_there_are_told_before_any_is_decoded(tmp_path: Path) -> None:
    recordings = make(tmp_path / "data", "a.wav", "b.wav", "c.wav")
    (tmp_path / "data" / "b.wav").unlink()
    (tmp_path / "data" / "c.wav").unlink()
    with pytest.raises(BadInput, match=r"data: expected the recordings of .*, got '2 missing: b\.wav, c\.wav'"):
        build_cache(tmp_path / "data", recordings, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_a_cache_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("mine", encoding="utf-8")
    with pytest.raises(BadInput, match="--cache: expected a folder that can be written"):
        build_cache(tmp_path / "data", make(tmp_path / "data", "a.wav"), tmp_path / "cache")


def test_a_cache_without_a_complete_part_is_refused(tmp_path: Path) -> None:
    (tmp_path / "part-0.i16").write_bytes(b"\0" * 100)
    with pytest.raises(FileNotFoundError, match="no decoded part"):
        SampleStore.open(tmp_path)


def cut_short(part: Path) -> None:
    samples = part.with_suffix(".i16")
    samples.write_bytes(samples.read_bytes()[:-100])


def samples_gone(part: Path) -> None:
    part.with_suffix(".i16").unlink()


@pytest.mark.parametrize(
    "damage",
    [
        cut_short,
        samples_gone,
        lambda part: part.write_text('{"a.wav": [0, 1', encoding="utf-8"),
        lambda part: part.write_bytes(b"\xff\xfe\x00"),
        lambda part: part.write_text("[1, 2]", encoding="utf-8"),
        lambda part: part.write_text('{"a.wav": 5}', encoding="utf-8"),
        lambda part: part.write_text('{"a.wav": [0, null]}', encoding="utf-8"),
    ],
)
def test_a_damaged_part_is_decoded_anew(
    damage: Callable[[Path], None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recordings = make(tmp_path / "data", "a.wav")
    build_cache(tmp_path / "data", recordings, tmp_path / "cache", workers=1)
    (part,) = (tmp_path / "cache").glob("part-*.json")
    damage(part)
    with pytest.raises(BadInput, match=r"part-\w+\.json: expected a whole part of a cache \(without this file"):
        SampleStore.open(tmp_path / "cache")
    build_cache(tmp_path / "data", recordings, tmp_path / "cache", workers=1)
    assert caplog.messages[0].startswith(f"{part} is damaged (")
    np.testing.assert_array_equal(SampleStore.open(tmp_path / "cache")["a.wav"], decode(tmp_path / "data" / "a.wav"))


def _signal_and_go_on(process: int, folder: Path, files: Sequence[str], into: Path) -> None:
    with put_in_place(into / "part-0.i16") as begun:
        begun.touch()
        os.kill(process, signal.SIGTERM)
        time.sleep(50)


def test_a_signal_ends_those_who_decode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where parts wait for their turn."""
    recordings = make(tmp_path / "data", "a.wav", "b.wav", "c.wav", "d.wav")
    monkeypatch.setattr(cache, "_build_part", partial(_signal_and_go_on, os.getpid()))
    begun_s = time.monotonic()
    with pytest.raises(Stopped), heard():
        build_cache(tmp_path / "data", recordings, tmp_path / "cache", workers=1)
    assert time.monotonic() - begun_s < 45
    assert not list((tmp_path / "cache").iterdir())


def test_a_data_folder_is_opened_in_one_call(tmp_path: Path) -> None:
    write_tone(tmp_path / "a.wav")
    (tmp_path / "manifest.csv").write_text(
        "file,class,caption,source,licence,split,speaker,native_sr,seconds\n"
        "a.wav,whistle,whistle,x/y,CC0,train,,24000,0.5\n",
        encoding="utf-8",
    )
    train, held_out, store = open_recordings(tmp_path, tmp_path / "cache")
    assert ([r.file for r in train], held_out) == (["a.wav"], [])
    assert len(store["a.wav"])
