"""What the commands of export share: the values that options may have, and how a mistake is told (benchmarks too)."""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from engine.errors import BadInput, BundleError, CallerError, WinnowError
from export.errors import MissingDependency

FAILED, CALLERS_FAULT = 1, 2


def answer(command: str, work: Callable[[], int | None], mark: str = "error: ") -> int:
    """Exit status of `work`, whose None is 0. What stops it is one line on standard error, after `command` and `mark`:
    2 where the caller can put it right (as argparse answers), 1 where the disk failed or a graph is not its model's. A
    fault of ours keeps its traceback."""
    try:
        return work() or 0
    except (WinnowError, OSError) as error:
        print(f"{command}: {mark}{' '.join(str(error).split())}", file=sys.stderr)
        return CALLERS_FAULT if isinstance(error, CallerError | BundleError) else FAILED


def require_torch(command: str, extra: str = "export", mark: str = "error: ") -> None:
    """Where `command` is entered, before it imports torch: go on where that is installed.

    Raises:
        SystemExit: status 2; what is missing has been said in one line.
    """

    def look() -> None:
        if find_spec("torch") is None:
            raise MissingDependency("torch", "this command", extra)

    if status := answer(command, look, mark):
        raise SystemExit(status)


class HelpFormat(argparse.RawDescriptionHelpFormatter):
    """The description as it stands, and after each option what holds where it is not given, if that is something."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        said = action.help or ""
        nothing = action.default is None or action.default is False or action.default in (argparse.SUPPRESS, {})
        if nothing or "default:" in said:
            return action.help
        return f"{said} (default: %(default)s)"


def whole(least: int, most: float = math.inf) -> Callable[[str], int]:
    """An argparse type: whole numbers from `least` to `most`."""
    expected = f"a whole number, {least} or more" if most == math.inf else f"a whole number, {least} to {most}"

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"expected {expected}, got {text!r}")
        return value

    return read


def above_zero(text: str) -> float:
    """An argparse type: finite numbers above 0."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text!r}")
    return value


def json_value(text: str) -> Any:
    """An argparse type: JSON of any kind."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise argparse.ArgumentTypeError(f"expected JSON, got {text!r}") from None


def require_folder(field: str, folder: Path) -> None:
    """Make `folder` where it is not there yet, and see whether files can be written into it.

    Raises:
        BadInput: neither; `field` is what the caller called it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise BadInput(field, "a folder that can be written", f"{folder}: {error.strerror}") from error


def require_place(field: str, file: Path) -> None:
    """See whether a file can be written at `file`, before the work that it is to hold.

    Raises:
        BadInput: it cannot; `field` is what the caller called it.
    """
    if file.is_dir() or not file.parent.is_dir():
        raise BadInput(field, "a file in a folder that is there", str(file))
    require_folder(field, file.parent)
