from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from export.__main__ import main
from export.models.sam_audio.errors import DiskFull


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
    (tmp_path / "checkpoint").mkdir()
    assert main(["sam-audio", str(tmp_path / "checkpoint"), str(tmp_path / "out"), "--json"]) == 2
    said = capsys.readouterr()
    assert json.loads(said.out)["error"]["code"] == "bad_checkpoint"
    assert "config.json" in said.out
    assert "Licence" in said.err


@pytest.mark.parametrize("windows", ["five", "0", "5,-1", ""])
def test_windows_are_seconds(windows: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sam-audio", str(tmp_path), str(tmp_path / "out"), "--tensorrt", windows]) == 2
    assert "--tensorrt: expected seconds" in capsys.readouterr().err


def library_errors() -> list[Exception]:
    """What a library says when the machine is too small or lacks something."""
    import torch
    from onnxruntime.capi.onnxruntime_pybind11_state import Fail

    return [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("Could not find the plugin LayerNorm"),
        Fail("[ONNXRuntimeError] : 1 : FAIL : no kernel"),
        MemoryError(),
    ]


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("verbose", [False, True])
def test_a_library_that_gives_up_is_one_line_and_our_fault(
    number: int, verbose: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    error = library_errors()[number]

    def gives_up(*_: object) -> None:
        raise error

    monkeypatch.setattr("export.sam_audio.bundle.export_bundle", gives_up)
    arguments = ["sam-audio", str(tmp_path), str(tmp_path / "out"), *(["--verbose"] if verbose else [])]
    assert main(arguments) == 1
    told = capsys.readouterr().err
    assert f"{type(error).__name__}: {str(error) or 'no reason given'}" in told
    assert "\nwinnow export: " in told
    assert ("Traceback" in told, "gives_up" in told) == (verbose, verbose)
    assert main([*arguments, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "library_failed"


def test_a_full_disk_is_no_fault_of_the_callers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise DiskFull(tmp_path, 3_000_000_000, 1_000_000_000)

    monkeypatch.setattr("export.sam_audio.bundle.export_bundle", full)
    assert main(["sam-audio", str(tmp_path), str(tmp_path / "out"), "--json"]) == 1
    error = json.loads(capsys.readouterr().out)["error"]
    assert (error["code"], error["message"]) == (
        "disk", f"{tmp_path}: expected 3.00 GB of room or more, got 1.00 GB",
    )  # fmt: skip


def test_a_mistake_of_ours_is_not_dressed_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def mistaken(*_: object) -> None:
        raise KeyError("velocity")

    monkeypatch.setattr("export.sam_audio.bundle.export_bundle", mistaken)
    with pytest.raises(KeyError):
        main(["sam-audio", str(tmp_path), str(tmp_path / "out")])


def test_threads_are_not_fewer_than_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sam-audio", str(tmp_path), str(tmp_path / "out"), "--threads", "-1"]) == 2
    assert "--threads: expected 0 or more, got -1" in capsys.readouterr().err
