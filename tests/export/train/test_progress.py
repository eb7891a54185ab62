from __future__ import annotations

import io
import logging

import pytest
from rich.console import Console

from export.train.progress import counted
from tests.fakes import ManualClock


def count_to_forty(console: Console) -> None:
    clock = ManualClock()
    with counted("making sounds", 40, clock, console) as tell:
        for done in range(1, 41):
            clock.advance(1.0)
            tell(done)


def test_without_a_terminal_there_is_a_line_every_ten_seconds(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "winnow.export")
    out = io.StringIO()
    count_to_forty(Console(file=out))
    assert caplog.messages == [f"making sounds: {done} of 40" for done in (10, 20, 30, 40)]
    assert out.getvalue() == ""


def test_a_terminal_has_a_bar_and_no_lines(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "winnow.export")
    out = io.StringIO()
    count_to_forty(Console(file=out, force_terminal=True, width=80))
    assert caplog.messages == []
    assert "making sounds" in out.getvalue()
    assert "20/40" in out.getvalue()
