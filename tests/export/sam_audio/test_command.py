from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from export.__main__ import main


def test_help_shows_an_example_and_the_licence(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["sam-audio", "--help"])
    assert left.value.code == 0
    printed = capsys.readouterr().out
    assert "winnow export sam-audio sam-audio-small" in printed
    assert "SAM License" in printed


def test_without_torch_one_line_says_what_to_install(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from export.__main__ import main\n"
        f"raise SystemExit(main(['sam-audio', {str(tmp_path)!r}, {str(tmp_path / 'out')!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "winnow-live[sam-audio]" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_checkpoint_is_the_callers_fault(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sam-audio", str(tmp_path), str(tmp_path / "out"), "--json"]) == 2
    said = capsys.readouterr()
    assert json.loads(said.out)["error"]["code"] == "bad_checkpoint"
    assert "config.json" in said.out
    assert "Licence" in said.err


@pytest.mark.parametrize("windows", ["five", "0", "5,-1", ""])
def test_windows_are_seconds(windows: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sam-audio", str(tmp_path), str(tmp_path / "out"), "--tensorrt", windows]) == 2
    assert "--tensorrt: expected seconds" in capsys.readouterr().err
