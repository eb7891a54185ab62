"""`streaming.file_report`: what a separation is told as, to a program and to a person."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from engine.activity import Sounding
from engine.programs.flow_judge import Scores
from engine.ranking import Ranking
from engine.vocabulary import Told, Understood
from streaming.file_report import Report, Written, print_report

DOG = Written(
    "dog/target",
    "a dog [loud]",
    Understood((Told("dog", 0.91, "experimental"),), False),
    Path("out/a.dog.wav"),
    0,
    (Sounding(1.0, 2.5, -20.0, 0.95),),
    Ranking([Scores(3.12345, 1.0, 2.0, 4.0), Scores(3.5, 1.0, 2.0, 4.0)]),
)
REST = Written("residual", "", None, Path("out/a.residual.wav"), 2)
REPORT = Report(
    Path("a.wav"), 10.0, 480_000, 48_000, 2, "tiny", "CPUExecutionProvider", 4.0, (DOG, REST), ("2 samples clipped",)
)


def test_as_json() -> None:
    told = json.loads(json.dumps(REPORT.as_json()))
    dog, rest = told["outputs"]
    assert told["times_real_time"] == 2.5
    assert dog["understood"] == [{"label": "dog", "score": 0.91, "status": "experimental"}]
    assert dog["spans"] == [{"start": 1.0, "end": 2.5, "level_db": -20.0, "probability": 0.95}]
    assert dog["candidates"]["kept"] == 1
    assert [one["overall"] for one in dog["candidates"]["scores"]] == [3.123, 3.5]
    assert rest == {"track": "residual", "path": "out/a.residual.wav", "clipped": 2}


def test_on_the_console(capsys: pytest.CaptureFixture[str]) -> None:
    print_report(REPORT)
    told = " ".join(capsys.readouterr().out.split())
    for said in (
        "dog (91%)",
        "a dog [loud] sounds at 1.00–2.50 s (-20 dB)",
        "candidate 2 of 2 kept, by the judge's overall scores 3.12, 3.50",
        "10.00 s of stereo at 48000 Hz in 4.00 s: 2× real time",
        "note: 2 samples clipped",
    ):
        assert said in told


def test_paths_are_whole_whatever_the_width(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    long = [Path("/a folder/" + 10 * "long/") / name for name in ("a [b].dog.wav", "a.dog.mkv", "a.residual.wav")]
    outputs = (replace(DOG, path=long[0]), replace(DOG, path=long[1]), replace(REST, path=long[2]))
    print_report(replace(REPORT, outputs=outputs))
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("/")] == list(map(str, long))
    assert sum("dog (91%)" in line for line in lines) == 1
