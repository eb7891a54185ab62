"""Who may be told by a socket. What is told, and when: test_live_socket.py, test_attendance.py."""

from __future__ import annotations

import inspect

import pytest

from streaming.attendance import Attendance
from streaming.listen import RawEar
from streaming.listener import Listener, Nobody
from streaming.runner import Runner

TOLD = [name for name in vars(Listener) if name.startswith("on_")]


@pytest.mark.parametrize("kind", [Nobody, Attendance, Runner, RawEar])
def test_every_word_is_heard(kind: type) -> None:
    assert "on_binary" in TOLD
    for name in TOLD:
        assert list(inspect.signature(getattr(kind, name)).parameters) == list(
            inspect.signature(getattr(Listener, name)).parameters
        )
