"""`winnow live` with its flags, against the real server in another thread's loop."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.bundle import Bundle
from engine.errors import BadInput
from streaming.errors import Refusal
from streaming.live_command import LiveOrder, run_live
from streaming.tokens import TokenRequest
from tests.streaming.live import house
from tests.streaming.media_files import read_all, tone, write_sound

ORDER = LiveOrder(
    server="ws://127.0.0.1:9", prompts=("speech",), input="in.wav", output="out.wav", track="target", raw=False,
    sample_rate=48000, channels=1, encoding="pcm_s16le", model="default", api_key=None,
)  # fmt: skip


@pytest.mark.parametrize("raw", [False, True])
async def test_a_file_goes_through_in_real_time(tmp_path: Path, identity: Bundle, raw: bool) -> None:
    samples = tone(24000, 2)
    file = write_sound(tmp_path / "in.wav", samples, 48000, "pcm_f32le")
    said: list[str] = []
    async with house(identity, outbox_ms=60_000) as home:
        order = replace(ORDER, server=home.url, input=str(file), output=str(tmp_path / "out.flac"), raw=raw)
        totals = await asyncio.to_thread(run_live, order, said.append)
    np.testing.assert_allclose(read_all(tmp_path / "out.flac"), samples, atol=1e-6)
    assert totals["sent_s"] == 0.5
    assert (totals["lost_samples"], totals["reconnects"]) == (0, 0)
    assert "20.0 ms" in said[0]
    assert "out.flac" in said[-1]
    # No number is told that nobody measured: in raw mode nothing says which sample a chunk ends with (and framed, a
    # server that is busier than the file is long answers after its end).
    assert (totals["arrival_ms"] is None) == ("arrival" not in said[-1])
    assert totals["arrival_ms"] is None or not raw


async def test_a_pipe_of_another_encoding_is_noticed(
    tmp_path: Path, identity: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as out:
        out.write(bytes(4801))
    said: list[str] = []
    with os.fdopen(reading, "rb") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        async with house(identity, outbox_ms=60_000) as home:
            order = replace(ORDER, server=home.url, input="-", output=str(tmp_path / "out.wav"))
            totals = await asyncio.to_thread(run_live, order, said.append)
    assert totals["left_over_bytes"] == 1
    assert said[-1] == "bytes at the input's end that make no whole sample: 1; is it pcm_s16le with 1 channel?"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"encoding": "mp3"}, "encoding"),
        ({"prompts": ("  ",)}, "prompt"),
        ({"prompts": ("speech", "dog")}, "prompt"),
        ({"output": "out.xyz"}, "output"),
        ({"output": "/no/such/folder/out.wav"}, "output"),
        ({"output": "in.wav"}, "output"),
        ({"input": "/no/such.wav"}, "file"),
    ],
)
def test_flags_are_checked_before_anything_is_opened(change: dict[str, Any], field: str) -> None:
    with pytest.raises(BadInput) as caught:
        run_live(replace(ORDER, **change), None)
    assert caught.value.field == field


@pytest.mark.parametrize("raw", [False, True])
async def test_a_token_is_as_good_as_a_key(tmp_path: Path, identity: Bundle, raw: bool) -> None:
    file = write_sound(tmp_path / "in.wav", tone(4800), 48000, "pcm_f32le")
    key = "a-key-of-sixteen-letters"
    async with house(identity, api_keys=key) as home:
        order = replace(ORDER, server=home.url, input=str(file), output=str(tmp_path / "out.wav"), raw=raw)
        with pytest.raises(Refusal, match="needs a key"):
            await asyncio.to_thread(run_live, order, None)
        token = home.live.gate.mint.issue(TokenRequest(), home.live.gate.owner(f"Key {key}"))["token"]
        totals = await asyncio.to_thread(run_live, replace(order, token=token), None)
        assert totals["sent_s"] == 0.1
        with pytest.raises(BadInput, match="token_file"):
            await asyncio.to_thread(run_live, replace(order, api_key=key, token=token), None)
