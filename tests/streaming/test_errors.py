"""Engine errors on the wire."""

from __future__ import annotations

import pytest

from engine.errors import BadInput, EngineFault, NoCapacity, UnknownPrompt
from streaming.errors import BadMessage, Close, refusal_of


@pytest.mark.parametrize(
    ("error", "code", "close", "retryable"),
    [
        (BadInput("prompt", "a phrase", ""), "bad_message", 4400, False),
        (UnknownPrompt("xyzzy", ("a", "b", "c"), "left"), "unknown_prompt", 4400, False),
        (NoCapacity("full", 3.0), "no_capacity", 1013, True),
        (EngineFault("broken"), "engine_fault", 1011, True),
        (RuntimeError("secret path"), "internal", 1011, True),
        (BadMessage("encoding", "pcm", "mp3", close=Close.UNSUPPORTED_MEDIA), "unsupported_media", 4415, False),
    ],
)
def test_every_error_has_a_code_and_a_close(error: Exception, code: str, close: int, retryable: bool) -> None:
    refusal = refusal_of(error)
    assert (refusal.code, refusal.close, refusal.retryable) == (code, close, retryable)
    wire = refusal.wire()
    assert wire["type"] == "error"
    assert wire["close_code"] == close
    assert "secret" not in wire["message"]


def test_details_name_what_the_client_needs() -> None:
    unknown = refusal_of(UnknownPrompt("xyzzy", ("a", "b", "c"), "left")).wire(closes=False)
    assert unknown["target"] == "left"
    assert unknown["suggestions"] == ["a", "b", "c"]
    assert "close_code" not in unknown
    assert refusal_of(NoCapacity("full", 3.0), 7.0).wire()["retry_after_s"] == 3.0
    assert refusal_of(NoCapacity("full"), 7.0).wire()["retry_after_s"] == 7.0
    bad = refusal_of(BadMessage("audio.channels", "1 or 2", 7)).wire()
    assert (bad["field"], bad["expected"], bad["got"]) == ("audio.channels", "1 or 2", "7")
