from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.errors import BadInput, BundleError, EngineFault
from export.command_line import HelpFormat, above_zero, answer, json_value, require_folder, require_place, whole


@pytest.mark.parametrize(("text", "value"), [("1", 1), ("1024", 1024), (" 7 ", 7)])
def test_whole_numbers_in_their_range_are_read(text: str, value: int) -> None:
    assert whole(1, 1024)(text) == value


@pytest.mark.parametrize(
    ("read", "text"),
    [
        *((whole(1), text) for text in ("0", "-1", "x", "1.5", "", "nan")),
        *((whole(1, 1024), text) for text in ("0", "1025", "9" * 30)),
        *((above_zero, text) for text in ("0", "-1", "nan", "inf", "x", "")),
        *((json_value, text) for text in ("{bad", "", "[" * 100_000)),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_name(read: Callable[[str], Any], text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=r"^expected .+, got '"):
        read(text)


def test_numbers_above_zero_and_json_are_read() -> None:
    assert (above_zero("2e-3"), above_zero("60")) == (0.002, 60.0)
    assert (json_value('{"width": 64}'), json_value("[1]")) == ({"width": 64}, [1])


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (BadInput("--minutes", "more\nthan 0", 0), 2),
        (BundleError("folder", "spec.json", "is missing"), 2),
        (EngineFault("gone"), 1),
        (OSError(28, "No space left on device"), 1),
    ],
)
def test_what_stops_a_command_is_one_line(error: Exception, status: int, capsys: pytest.CaptureFixture[str]) -> None:
    def work() -> int:
        raise error

    assert answer("winnow export", work) == status
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("winnow export: error: ")
    assert told.err.count("\n") == 1


def test_our_own_faults_keep_their_traceback() -> None:
    def work() -> int:
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        answer("winnow export", work)
    assert answer("winnow export", lambda: 0) == 0


def test_a_benchmark_tells_it_its_own_way(capsys: pytest.CaptureFixture[str]) -> None:
    def work() -> None:
        raise BadInput("hop", "10ms", "15ms")

    assert answer("sessions", work, mark="") == 2
    assert capsys.readouterr().err == "sessions: hop: expected 10ms, got '15ms'\n"
    assert answer("sessions", lambda: None) == 0


def test_a_folder_is_made_and_tried(tmp_path: Path) -> None:
    require_folder("--runs", tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []
    (tmp_path / "file").write_text("", encoding="utf-8")
    for wrong in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/winnow")):
        with pytest.raises(BadInput, match="--runs: expected a folder that can be written"):
            require_folder("--runs", wrong)


def test_a_file_needs_a_folder_and_no_folder_of_its_name(tmp_path: Path) -> None:
    require_place("--json", tmp_path / "scores.json")
    assert not list(tmp_path.iterdir())
    for wrong in (tmp_path, tmp_path / "nowhere" / "scores.json"):
        with pytest.raises(BadInput, match="--json: expected a file in a folder that is there"):
            require_place("--json", wrong)


WITHOUT_TORCH = """
import runpy, sys
sys.modules["torch"] = None
sys.argv[1:2] = []
runpy.run_module("{module}", run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize(
    ("module", "words"),
    [
        *((f"export.train.{name}", ("--help",)) for name in ("separator", "evaluate", "compare")),
        ("export", ("keep", "--checkpoint", "x.pt")),
    ],
)
def test_without_torch_a_command_says_so_in_one_line(module: str, words: tuple[str, ...]) -> None:
    asked = [sys.executable, "-c", WITHOUT_TORCH.format(module=module), "-", *words]
    ran = subprocess.run(asked, capture_output=True, text=True)
    assert ran.returncode == 2
    assert "needs the package 'torch': pip install 'winnow-live[export]'" in ran.stderr
    assert ran.stderr.count("\n") == 1
    assert ran.stdout == ""


def test_help_tells_defaults_that_say_something() -> None:
    parser = argparse.ArgumentParser(prog="x", description="As it\nstands.", formatter_class=HelpFormat)
    parser.add_argument("--none", help="without one")
    parser.add_argument("--flag", action="store_true", help="a flag")
    parser.add_argument("--count", type=int, default=0, help="how many")
    parser.add_argument("--own", default=1, help="says itself (default: one)")
    said = parser.format_help()
    assert "As it\nstands." in said
    assert "how many (default: 0)" in said
    assert said.count("default:") == 2
