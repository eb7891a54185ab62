"""The list of bad input: each is answered with an `error` that names it and the contract's close code."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import AsyncIterator
from urllib.parse import quote

import pytest
from websockets.asyncio.client import connect

from engine.bundle import load_bundle
from tests.streaming.live import (
    END,
    HEADER,
    PATIENCE_S,
    START,
    House,
    framed_messages,
    house,
    listen,
    next_text,
    noise,
    talk,
)

HOP = framed_messages(noise(480).tobytes(), 2)[0]


@pytest.mark.parametrize(
    ("messages", "field", "close"),
    [
        ([HOP], "type", 4400),
        (["{"], "message", 4400),
        (["null"], "message", 4400),
        (["[1]"], "message", 4400),
        (['{"type":"begin"}'], "type", 4400),
        (['{"type":"flush"}'], "type", 4400),
        ([json.dumps({**START, "surprise": 1})], "surprise", 4400),
        ([json.dumps({**START, "stats": 1})], "stats", 4400),
        ([json.dumps({**START, "model": "gpt"})], "model", 4400),
        ([json.dumps({**START, "audio": {"encoding": "opus"}})], "audio.encoding", 4415),
        ([json.dumps({**START, "audio": {"sample_rate": 1000}})], "audio.sample_rate", 4400),
        ([json.dumps({**START, "audio": {"channels": 6}})], "audio.channels", 4400),
        ([json.dumps({**START, "video": {"encoding": "jpeg", "width": 64, "height": 64}})], "video", 4415),
        ([json.dumps({**START, "return": ["mask"]})], "return", 4415),
        ([json.dumps({**START, "targets": [{"id": "a", "points": [{"x": 1, "y": 1}]}]})], "targets.0.points", 4415),
        (['{"type":"resume","token":3}'], "token", 4400),
        (['{"type":"resume","token":"x","received":{"0":-1}}'], "received.0", 4400),
        ([json.dumps(START), '{"type":"resume","token":"x"}'], "type", 4400),
        ([json.dumps(START), json.dumps(START)], "type", 4400),
        ([json.dumps(START), b""], "header", 4400),
        ([json.dumps(START), HOP[:15]], "header", 4400),
        ([json.dumps(START), HOP[:-1]], "payload", 4400),
        ([json.dumps(START), b"\x02" + HOP[1:]], "header.version", 4400),
        ([json.dumps(START), b"\x01\x01" + HOP[2:]], "header.kind", 4415),
        ([json.dumps(START), b"\x01\x00\x05" + HOP[3:]], "header.track", 4400),
        ([json.dumps(START), HEADER.pack(1, 0, 0, 0, 0, -480) + HOP[16:]], "header.pts", 4400),
    ],
)
async def test_framed_mode_names_the_mistake(
    server: House, messages: list[str | bytes], field: str, close: int
) -> None:
    async with server.framed() as link:
        heard = await talk(link, messages)
    assert heard.close == close == heard.error["close_code"]
    assert heard.error["field"] == field
    assert heard.error["retryable"] is False
    await server.empty()


@pytest.mark.parametrize(
    ("query", "field", "close"),
    [
        ("prompt=dog&sample_rate=96", "sample_rate", 4400),
        ("prompt=dog&channels=3", "channels", 4400),
        ("prompt=dog&encoding=mp3", "encoding", 4415),
        ("prompt=dog&output=video", "output", 4400),
        ("prompt=dog&unknown=1", "unknown", 4400),
        ("prompt=dog&model=gpt", "model", 4400),
        ("prompt=", "prompt", 4400),
        (f"prompt={'x' * 2001}", "prompt", 4400),
    ],
)
async def test_raw_mode_names_the_mistake(server: House, query: str, field: str, close: int) -> None:

    async with connect(f"{server.url}?{query}", compression=None) as link:
        heard = await talk(link, [])
    assert heard.close == close
    assert heard.error["field"].endswith(field)
    assert heard.error["expected"]
    await server.empty()


async def test_an_unknown_prompt_gets_three_suggestions(server: House) -> None:
    async with server.raw("xyzzyplugh") as link:
        heard = await talk(link, [noise(480).tobytes()])
    assert heard.close == 4400
    assert heard.error["code"] == "unknown_prompt"
    assert len(heard.error["suggestions"]) == 3
    assert not heard.of("started")
    async with server.framed() as link:
        targets = [{"id": "fine", "prompt": "speech"}, {"id": "odd", "prompt": "xyzzyplugh"}]
        heard = await talk(link, [json.dumps({**START, "targets": targets})])
    assert heard.error["target"] == "odd"
    await server.empty()


async def test_two_thousand_characters_are_a_prompt(server: House) -> None:
    prompt = ("speech or " * 200)[:1994] + "speech"
    async with server.raw(quote(prompt)) as link:
        heard = await talk(link, [noise(480).tobytes(), END])
    assert heard.close in (1000, 4400)
    assert heard.close == 1000 or heard.error["code"] == "unknown_prompt"


@pytest.mark.parametrize("text", ['{"type":"update","targets":[{"id":"a","prompt":"dog"}]}', "hello", "{}"])
async def test_text_where_sound_is_due(server: House, text: str) -> None:
    async with server.raw() as link:
        heard = await talk(link, [noise(480).tobytes(), text])
    assert heard.close == 4400
    assert heard.error["field"] in ("type", "message")


async def test_text_that_is_not_utf8(server: House) -> None:
    async with server.raw() as link:
        await next_text(link, "started")
        await link.send(b"\xff\xfe", text=True)
        heard = await listen(link)
    assert heard.close == 1007
    assert heard.error["code"] == "bad_message"


async def test_a_message_over_the_limit_in_bytes(server: House) -> None:
    async with server.raw() as link:
        heard = await talk(link, [bytes(256 * 1024 + 1)])
    assert heard.close == 1009
    assert heard.error["code"] == "message_too_large"
    async with server.framed() as link:
        # In fragments, none of which is over the limit.
        async def fragments() -> AsyncIterator[str]:
            for _ in range(5):
                yield " " * 64 * 1024

        await link.send(fragments())
        heard = await listen(link)
    assert heard.close == 1009
    assert heard.error["code"] == "message_too_large"


async def test_a_message_over_the_limit_in_seconds(server: House) -> None:
    async with server.raw(sample_rate=8000) as link:
        heard = await talk(link, [bytes(2 * 8000 * 2 + 2)])
    assert heard.close == 1009
    assert heard.error["field"] == "payload"
    async with server.raw(sample_rate=8000) as link:
        heard = await talk(link, [bytes(2 * 8000 * 2), END])
    assert heard.close == 1000
    assert len(heard.sound) == 2 * 8000 * 2


async def test_what_comes_after_end_is_not_used(server: House) -> None:
    async with server.raw() as link:
        heard = await talk(link, [noise(480).tobytes(), END, noise(480).tobytes(), '{"type":"ping"}'])
    assert heard.close == 1000
    assert len(heard.sound) == 960


async def test_a_broken_websocket_frame(server: House) -> None:
    async with server.raw() as link:
        await next_text(link, "started")
        # A reserved bit, without an extension that would define it.
        link.transport.write(b"\xf2\x80" + bytes(4))
        heard = await listen(link)
    assert heard.close == 1002
    await server.empty()


async def test_one_that_vanishes_in_the_middle_of_a_hop(server: House) -> None:
    async with server.raw() as link, server.raw() as other:
        await next_text(link, "started")
        await link.send(noise(700).tobytes())
        # Half a WebSocket frame, then nothing but a reset.
        link.transport.write(b"\x82\xfe\x03\xc0" + bytes(100))
        link.transport.abort()
        heard = await talk(other, [noise(4800).tobytes(), END])
        assert heard.close == 1000
    await server.empty()


async def test_a_thousand_connects_and_kills() -> None:
    bundle = load_bundle("identity")
    free = len(bundle.masking._free)
    async with house(bundle) as server:
        await kill_a_thousand(server)
        async with server.raw() as link:
            data = noise(4800).tobytes()
            assert (await talk(link, [data, END])).sound == data
    assert len(bundle.masking._free) == free


async def kill_a_thousand(server: House) -> None:
    """Connect and reset, fifty at a time."""
    request = (
        b"GET /v1/live?prompt=speech HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: d2lubm93LWJlbmNobWFyaw==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )

    async def one(index: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        # Killed at every stage: before the handshake, in it, right after it, and with sound on its way.
        stage = index % 4
        writer.write((b"", request[:40], request, request)[stage])
        if stage == 3:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"\x82\xfe" + struct.pack(">H", 960) + bytes(4) + noise(480).tobytes())
        writer.transport.abort()

    async with asyncio.timeout(PATIENCE_S):
        for first in range(0, 1000, 50):
            await asyncio.gather(*(one(index) for index in range(first, first + 50)))
    await server.empty()
