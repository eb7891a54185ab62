"""The command as a user meets it: help with examples, one line for an error, exit codes, JSON."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from streaming.cli import main
from streaming.settings import Settings
from tests.streaming.media_files import read_all, tone, write_sound
from tests.streaming.test_media_writing import disk_of

COMMANDS = ("serve", "separate", "live", "demo", "models")


def winnow(monkeypatch: pytest.MonkeyPatch, *words: str | Path) -> int:
    """Run the command in this process; the exit code."""
    monkeypatch.setattr(sys, "argv", ["winnow", *map(str, words)])
    try:
        main()
    except SystemExit as left:
        return left.code if isinstance(left.code, int) else 0
    return 0


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert winnow(monkeypatch, command, "--help") == 0
    said = capsys.readouterr().out
    assert "Example" in said
    assert f"winnow {command}" in said


def test_the_commands_are_listed_without_loading_what_they_need() -> None:
    script = (
        "import sys; from streaming.cli import app; "
        "heavy = {'numpy', 'av', 'onnxruntime', 'uvicorn', 'matplotlib', 'scipy'} & set(sys.modules); "
        "sys.exit(f'imported: {heavy}' if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_serve_says_what_its_exit_status_means(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert winnow(monkeypatch, "serve", "--help") == 0
    assert "3 where it does not start" in " ".join(capsys.readouterr().out.split())


def test_version(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert winnow(monkeypatch, "--version") == 0
    assert capsys.readouterr().out.startswith("winnow ")


def test_separate_writes_files_and_one_json_object(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_sound(tmp_path / "a.wav", tone(48000), 48000, "pcm_s16le")
    words = (
        "separate",
        file,
        "-p",
        "man speaking",
        "-p",
        "rain",
        "--span",
        "+0.1:0.5",
        "--model",
        "identity",
        "--json",
    )
    assert winnow(monkeypatch, *words) == 0
    told = json.loads(capsys.readouterr().out)
    assert [Path(one["path"]).name for one in told["outputs"]] == ["a.man-speaking.wav", "a.rain.wav", "a.residual.wav"]
    assert told["samples"] == 48000
    assert read_all(tmp_path / "a.rain.wav").shape == (1, 48000)


def test_separate_tells_a_person_what_it_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_sound(tmp_path / "a.wav", tone(48000), 48000, "pcm_s16le")
    assert winnow(monkeypatch, "separate", file, "-p", "speech", "-m", "identity", "-o", tmp_path / "out") == 0
    said = capsys.readouterr().out
    assert "real time" in said
    assert "identity" in said


def test_brackets_in_names_are_no_markup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    file = write_sound(tmp_path / "talk [bold].wav", tone(4800), 48000, "pcm_s16le")
    assert winnow(monkeypatch, "separate", file, "-p", "speech", "-m", "identity", "-o", "a[/b]") == 0
    assert "a[/b]/talk[bold].speech.wav" in "".join(capsys.readouterr().out.split())


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("winnow: ")
    assert said.err.count("\n") == 1
    return said.err


def test_the_callers_mistakes_are_one_line_and_exit_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_sound(tmp_path / "a.wav", tone(48000), 48000, "pcm_s16le")
    identity = ("-m", "identity")
    assert winnow(monkeypatch, "separate", tmp_path / "no.wav", "-p", "speech", *identity) == 2
    assert "existing file" in one_line(capsys)
    assert winnow(monkeypatch, "separate", file, "-p", "zorgle", *identity) == 2
    assert "nearest" in one_line(capsys)
    assert winnow(monkeypatch, "separate", file, "-p", "speech", "--span", "x", *identity) == 2
    assert "span" in one_line(capsys)
    assert winnow(monkeypatch, "separate", file, "-p", "speech", "-f", "xyz", *identity) == 2
    assert "format" in one_line(capsys)
    assert winnow(monkeypatch, "separate", file, "-p", "speech", "-m", "no_such") == 2
    assert "no_such" in one_line(capsys)
    assert winnow(monkeypatch, "separate", file, "-p", "", *identity) == 2
    one_line(capsys)
    assert winnow(monkeypatch, "serve", "--port", "99999") == 2
    assert re.search("port: .* 65535, got 99999", one_line(capsys))
    assert winnow(monkeypatch, "serve", "--host", "0.0.0.0") == 2
    assert "WINNOW_API_KEYS" in one_line(capsys)
    assert winnow(monkeypatch, "live", "-p", "speech", "-i", file, "-o", file) == 2
    assert "output" in one_line(capsys)
    assert winnow(monkeypatch, "live", "-p", "speech", "-i", file, "-o", file.parent / "no" / "a.wav") == 2
    assert "folder" in one_line(capsys)
    assert winnow(monkeypatch, "live", "-p", "everything but speech", "-p", "dog", "-i", file, "-o", "-") == 2
    assert "dog and siren" in one_line(capsys)
    assert winnow(monkeypatch, "separate", file, "-p", "speech", "--candidates", "0", *identity) == 2
    assert one_line(capsys).startswith("winnow: candidates: ")
    assert winnow(monkeypatch, "separate", file, "-p", "speech", "--mask-video", file, *identity) == 2
    assert "sees no pictures" in one_line(capsys)
    assert winnow(monkeypatch, "separate", file, "-p", "speech", "-o", file, *identity) == 2
    assert "output: expected a folder, got " in one_line(capsys)
    assert winnow(monkeypatch, "serve", "--port", "abc") == 2
    assert "got 'abc'" in capsys.readouterr().err  # in typer's frame
    assert winnow(monkeypatch, "separate", file) == 2  # no prompt: typer's own words


def test_errors_as_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert winnow(monkeypatch, "separate", tmp_path / "no.wav", "-p", "speech", "-m", "identity", "--json") == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "bad_input"


def test_a_folder_that_cannot_be_made_is_told_before_anything_is_played(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert winnow(monkeypatch, "demo", "-m", "identity", "-o", tmp_path / "file") == 2
    assert "output_dir: expected a folder" in one_line(capsys)
    assert winnow(monkeypatch, "demo", "-m", "identity", "-o", tmp_path / ("too long" * 100)) == 1
    assert "cannot write" in one_line(capsys)


def test_a_full_disk_exits_1_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_sound(tmp_path / "a.flac", tone(5 * 48000), 48000, "flac")
    with disk_of(100_000):
        code = winnow(monkeypatch, "separate", file, "-p", "speech", "-m", "identity")
    assert code == 1
    assert "cannot write" in one_line(capsys)
    assert list(tmp_path.iterdir()) == [file]


def test_no_server_exits_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    file = write_sound(tmp_path / "a.wav", tone(4800), 48000, "pcm_s16le")
    words = ("live", "-p", "speech", "-i", file, "-o", tmp_path / "b.wav", "-s", "ws://127.0.0.1:1")
    assert winnow(monkeypatch, *words) == 1
    said = one_line(capsys)
    assert "127.0.0.1:1" in said
    assert "winnow serve" in said
    assert not (tmp_path / "b.wav").exists()


def test_models_as_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    winnow(monkeypatch, "models", "--json")
    assert "identity" in {one["name"] for one in json.loads(capsys.readouterr().out)}


def test_serve_reads_its_secrets_from_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[Settings] = []
    monkeypatch.setattr("streaming.app.serve", served.append)
    keys, secret, turn = tmp_path / "keys", tmp_path / "secret", tmp_path / "turn"
    keys.write_text("a-key-of-sixteen-letters\n\nanother-key-of-letters\n", encoding="utf-8")
    secret.write_text("s" * 32 + "\n", encoding="utf-8")
    turn.write_text("t\n", encoding="utf-8")
    words = ("--api-keys-file", keys, "--token-secret-file", secret, "--turn-secret-file", turn)
    assert winnow(monkeypatch, "serve", "--host", "0.0.0.0", *words) == 0
    (settings,) = served
    assert [key.get_secret_value() for key in settings.api_keys] == [
        "a-key-of-sixteen-letters",
        "another-key-of-letters",
    ]
    assert settings.token_secret is not None
    assert settings.token_secret.get_secret_value() == "s" * 32
    assert settings.turn_secret is not None
    assert settings.turn_secret.get_secret_value() == "t"


@pytest.mark.parametrize(
    ("command", "option"),
    [
        ("serve", "--api-keys-file"), ("serve", "--token-secret-file"), ("serve", "--turn-secret-file"),
        ("live", "--api-key-file"), ("live", "--token-file"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("content", [None, b"\n \n", b"hush\xff", b"hush\nhush"])
def test_a_file_of_secrets_that_cannot_be(
    command: str, option: str, content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    rest = ("-p", "dog", "-i", "nothing.wav", "-o", tmp_path / "a.wav") if command == "live" else ()
    assert winnow(monkeypatch, command, *rest, option, file) == 2
    said = one_line(capsys)
    assert "hush" not in said
    if content is None:
        assert f"{option[2:].replace('-', '_')}: expected a file that can be read" in said
