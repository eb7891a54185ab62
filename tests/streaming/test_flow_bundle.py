"""A SAM Audio bundle (tiny, random weights) behind the commands and the server: modes, any words, pictures."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from engine.bundle import Bundle, load_bundle, mode_for_files
from engine.errors import BadInput
from engine.programs.flow_audio import FlowProgram
from engine.runtimes.graphs import Graphs
from streaming.announcements import started
from streaming.cli import main
from streaming.file_separation import separate_file
from streaming.live_server import open_bundle
from streaming.mask_video import MaskedPictures
from streaming.metrics import Metrics
from streaming.page import reading
from streaming.protocol import parse_query
from streaming.rehearsal import WINDOW_SIZES, rehearse
from streaming.settings import Settings
from streaming.stream import Delivery, Hop, Stream
from streaming.worker import Worker
from tests.engine.flow import FOLDER, bundle_in, open_graphs
from tests.streaming.live import PATIENCE_S
from tests.streaming.media_files import read_all, tone, write_sound, write_video
from tests.streaming.test_mask_video import damaged


@pytest.fixture(scope="module")
def graphs() -> Graphs:
    return open_graphs("watermark")


@pytest.fixture
def bundle(graphs: Graphs) -> Bundle:
    return bundle_in(graphs)


def run_command(monkeypatch: pytest.MonkeyPatch, *words: str | Path) -> int:
    monkeypatch.setattr(sys, "argv", ["winnow", *map(str, words)])
    try:
        main()
    except SystemExit as left:
        return left.code if isinstance(left.code, int) else 0
    return 0


def test_the_mode_is_chosen_and_told(graphs: Graphs) -> None:
    assert mode_for_files(FOLDER, None) == "quality"
    assert mode_for_files(FOLDER, "fast") == "low_latency"
    assert mode_for_files("identity", None) is None
    with pytest.raises(BadInput, match="a model with modes"):
        mode_for_files("identity", "fast")
    bundle = open_bundle(Settings(model=str(FOLDER), mode="fast", provider="cpu"))
    assert bundle.spec.mode == "low_latency"
    request = parse_query("prompt=glass+smashing&model=default")
    assert request is not None
    session = Stream("a", request, lambda delivery: None).open(bundle)
    told = started(bundle.spec.name, request, session, {0, 1})
    assert told["latency"]["mode"] == "low_latency"
    assert told["latency"]["algorithmic_ms"] == pytest.approx(600.0, abs=5.0)
    assert told["targets"][0]["understood"] == [{"label": "glass smashing", "score": 1.0, "status": "experimental"}]
    assert load_bundle("identity").spec.mode is None


def test_any_words_are_understood(bundle: Bundle) -> None:
    assert (
        reading("Glass smashing on tarmac", bundle.vocabulary)["understood"][0]["label"] == "glass smashing on tarmac"
    )
    assert "unknown" in reading(" ", bundle.vocabulary)


def test_separate_takes_a_mode_and_any_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], graphs: Graphs
) -> None:
    file = write_sound(tmp_path / "a.wav", tone(30_000), 48_000, "pcm_s16le")
    words = ("separate", file, "-p", "glass smashing", "-m", FOLDER, "--mode", "fast", "--json", "--provider", "cpu")
    assert run_command(monkeypatch, *words) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["outputs"][0]["understood"][0]["label"] == "glass smashing"
    target, residual = (read_all(Path(one["path"])) for one in told["outputs"])
    np.testing.assert_allclose(target + residual, read_all(file), atol=1e-6)
    for wrong, said in ((("-p", "dog", "--mode", "turbo"), "quality, balanced, low_latency"), (("-p", " "), "words")):
        assert run_command(monkeypatch, "separate", file, "-m", FOLDER, "--json", *wrong) == 2
        assert said in json.loads(capsys.readouterr().out)["error"]["message"]


def test_the_watermark_says_what_it_is_told_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_sound(tmp_path / "a.wav", tone(15_000), 48_000, "pcm_f32le")
    words = ("separate", file, "-p", "dog", "-m", FOLDER, "--mode", "fast", "--json", "--provider", "cpu")
    made = []
    for more in ((), ("--watermark", "0"), ("--watermark", "43981")):
        assert run_command(monkeypatch, *words, *more) == 0
        made.append(read_all(Path(json.loads(capsys.readouterr().out)["outputs"][0]["path"])))
    np.testing.assert_array_equal(made[0], made[1])
    assert np.abs(made[0] - made[2]).max() > 1e-4
    for model, number in ((FOLDER, "65536"), ("identity", "1")):
        assert (
            run_command(monkeypatch, "separate", file, "-p", "dog", "-m", model, "--watermark", number, "--json") == 2
        )
        assert json.loads(capsys.readouterr().out)["error"]["message"].startswith("watermark: expected")
    bundle = open_bundle(Settings(model=str(FOLDER), mode="fast", provider="cpu", watermark_message=7))
    assert isinstance(bundle.program, FlowProgram)
    assert bundle.program.message == 7


def test_a_mask_video_stands_for_the_words(bundle: Bundle, tmp_path: Path) -> None:
    film = write_video(tmp_path / "film.mkv", tone(38_400), seconds=0.8)
    mask = write_video(tmp_path / "mask.mkv", None, seconds=0.8)
    with MaskedPictures(film, mask) as pictures:
        report = separate_file(film, [""], bundle=bundle, folder=tmp_path / "out", video=False, pictures=pictures)
    assert [one.track for one in report.outputs] == ["target/target", "residual"]
    assert read_all(report.outputs[0].path).any()
    with MaskedPictures(film, mask) as pictures, pytest.raises(BadInput) as caught:
        separate_file(film, ["dog", "cat"], bundle=bundle, folder=tmp_path / "out", pictures=pictures)
    assert caught.value.field == "mask_video"
    with pytest.raises(BadInput) as caught:
        separate_file(film, ["dog"], bundle=bundle, folder=tmp_path / "out", predict_spans=True)
    assert caught.value.field == "predict_spans"


def test_masks_in_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], graphs: Graphs
) -> None:
    film = write_video(tmp_path / "film.mkv", tone(62_400), seconds=1.3)
    mask = write_video(tmp_path / "mask.mkv", None, seconds=0.4)
    words = (
        "separate",
        film,
        "-p",
        "dog",
        "-m",
        FOLDER,
        "--mode",
        "fast",
        "--json",
        "--provider",
        "cpu",
        "-o",
        tmp_path,
    )
    assert run_command(monkeypatch, *words, "--no-video", "--mask-video", mask) == 0
    (note,) = json.loads(capsys.readouterr().out)["notes"]
    assert note.startswith("the pictures of mask.mkv end at 0.40 s")
    assert run_command(monkeypatch, *words, "--mask-hides") == 2
    assert json.loads(capsys.readouterr().out)["error"]["message"].startswith("mask_hides: expected a mask video")
    bad = damaged(tmp_path / "bad.mkv", [np.full((32, 48, 3), 255, np.uint8)] * 12)
    assert run_command(monkeypatch, *words, "--mask-video", bad) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "bad_input"
    assert "bad.mkv" in error["message"]
    sound = write_sound(tmp_path / "sound.wav", tone(4800), 48_000, "pcm_s16le")
    model = ("-m", FOLDER, "--provider", "cpu", "--json")
    assert run_command(monkeypatch, "separate", sound, "-p", "dog", "--mask-video", mask, *model) == 2
    message = json.loads(capsys.readouterr().out)["error"]["message"]
    assert message == "file: expected a video, got 'sound.wav: no pictures'"


def test_a_rehearsal_measures_whole_windows(bundle: Bundle) -> None:
    found = rehearse(bundle, time.perf_counter)
    assert [size for size, _ in found] == list(WINDOW_SIZES)
    assert all(took_s > 0 for _, took_s in found)
    assert len({bundle.program.open_slot() for _ in range(4)}) == 4


async def test_the_worker_carries_it(bundle: Bundle) -> None:
    """Calls of one window over many ticks; every hop comes out, and capacity is learnt from the whole window."""
    worker = Worker(bundle, asyncio.get_running_loop(), time.perf_counter, Metrics(lambda: 1))
    worker.start()
    try:
        request = parse_query("prompt=dog&sample_rate=48000&channels=1&encoding=pcm_f32le")
        assert request is not None
        got: list[Hop] = []
        over = asyncio.Event()

        def deliver(delivery: Delivery) -> None:
            got.extend(delivery.hops)
            if delivery.done or delivery.refusal is not None:
                over.set()

        stream = Stream("a", request, deliver)
        worker.open(stream, time.perf_counter())
        sound = tone(60_000)
        for begin in range(0, 60_000, 4800):
            worker.post(stream, stream.feed, sound[:, begin : begin + 4800].tobytes(), time.perf_counter())
        worker.post(stream, stream.end, None, time.perf_counter())
        await asyncio.wait_for(over.wait(), PATIENCE_S)
        assert stream.totals()["samples_sent"] == 60_000
        assert [hop.begin for hop in got] == [0, *(hop.end for hop in got)][:-1]
        assert got[-1].end == 60_000
    finally:
        await asyncio.to_thread(worker.stop)
