"""Addresses, targets and refusals as the SDK writes and reads them."""

from __future__ import annotations

import pytest

from engine.errors import BadInput, NoCapacity, UnknownPrompt
from engine.prompt import Span, Target
from streaming.client_wire import live_url, server_error, wire_target
from streaming.errors import Refusal
from streaming.messages import TargetMessage


def test_addresses() -> None:
    assert live_url("localhost:8000") == "ws://localhost:8000/v1/live"
    assert live_url("https://a.example/") == "wss://a.example/v1/live"
    assert live_url("ws://a:1/own/path") == "ws://a:1/own/path"
    for wrong in ("ftp://a", "ws://", ""):
        with pytest.raises(BadInput):
            live_url(wrong)


def test_a_target_is_read_by_the_server_as_it_was() -> None:
    target = Target("a", "man speaking", (Span(1.0, 2.0, False),), gain_db=-3.0, max_suppression_db=12.0, bypass=True)
    assert TargetMessage.model_validate(wire_target(target)).target("targets.0") == target


def test_refusals_become_the_engines_own_errors() -> None:
    said = {"type": "error", "code": "unknown_prompt", "message": "", "prompt": "x", "suggestions": ["a", "b", "c"]}
    unknown = server_error(said)
    assert isinstance(unknown, UnknownPrompt)
    assert unknown.suggestions == ("a", "b", "c")
    full = server_error({"type": "error", "code": "no_capacity", "message": "full", "retry_after_s": 2.5})
    assert isinstance(full, NoCapacity)
    assert full.retry_after_s == 2.5
    other = server_error({"type": "error", "code": "idle", "message": "too long", "close_code": 4408})
    assert isinstance(other, Refusal)
    assert (other.code, other.close, str(other)) == ("idle", 4408, "too long")
