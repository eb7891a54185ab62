"""What an independent client found when it attacked the real server over its own TCP connections.

Each of these once went wrong, or is promised by the contract and nowhere else checked on raw bytes.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from typing import Any
from urllib.parse import quote

import pytest
from websockets.asyncio.client import connect

from engine.bundle import Bundle
from streaming.frame_heads import frame_head
from streaming.outbox import MOST_TEXTS
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
TEXT, BINARY, CLOSE, PING, CONTINUED = 1, 2, 8, 9, 0


def frame(opcode: int, payload: bytes, first: int = 0x80, mask: bool = True) -> bytes:
    """A client's frame with the mask 0, which changes nothing."""
    head = bytearray(frame_head(first | opcode, len(payload)))
    if mask:
        head[1] |= 0x80
    return bytes(head) + (bytes(4) if mask else b"") + payload


async def raw_tcp(server: House, query: str = "") -> tuple[asyncio.StreamReader, asyncio.StreamWriter, bytes]:
    """A connection that has shaken hands by itself; the third is the head of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(
        f"GET /v1/live{query} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: d2lubm93LWJlbmNobWFyaw==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    async with asyncio.timeout(PATIENCE_S):
        return reader, writer, await reader.readuntil(b"\r\n\r\n")


async def frames(reader: asyncio.StreamReader) -> list[tuple[int, bytes]]:
    """Everything up to the close frame or the end."""
    found: list[tuple[int, bytes]] = []
    async with asyncio.timeout(PATIENCE_S):
        try:
            while not found or found[-1][0] != CLOSE:
                first, size = await reader.readexactly(2)
                if size >= 126:
                    size = int.from_bytes(await reader.readexactly(2 if size == 126 else 8), "big")
                found.append((first & 15, await reader.readexactly(size)))
        except asyncio.IncompleteReadError:
            pass
    return found


def close_code(found: list[tuple[int, bytes]]) -> int:
    """Of the last frame."""
    opcode, payload = found[-1]
    assert opcode == CLOSE
    return int(struct.unpack("!H", payload[:2])[0])


@pytest.mark.parametrize(
    "bad",
    [
        frame(BINARY, bytes(960), mask=False),
        frame(BINARY, bytes(960), first=0xC0),
        frame(3, b"x"),
        frame(CONTINUED, b"x"),
        frame(PING, bytes(126)),
        frame(PING, b"x", first=0),
        frame(BINARY, bytes(480), first=0) + frame(BINARY, bytes(480)),
        frame(CLOSE, struct.pack("!H", 1005)),
    ],
    ids=["unmasked", "reserved", "opcode", "continuation", "long ping", "cut ping", "message in message", "close code"],
)
async def test_who_breaks_rfc_6455_is_closed_with_1002(server: House, bad: bytes) -> None:
    reader, writer, _ = await raw_tcp(server, "?prompt=speech")
    writer.write(bad)
    assert close_code(await frames(reader)) == 1002
    writer.transport.abort()
    await server.empty()


async def test_a_message_in_fragments_with_a_ping_between_and_every_byte_alone(server: House) -> None:
    data = noise(480).tobytes()
    wire = frame(BINARY, data[:481], first=0) + frame(PING, b"alive") + frame(CONTINUED, data[481:])
    reader, writer, _ = await raw_tcp(server, "?prompt=speech")
    for at in range(len(wire)):
        writer.write(wire[at : at + 1])
        await writer.drain()
    writer.write(frame(TEXT, END.encode()))
    found = await frames(reader)
    assert b"".join(payload for opcode, payload in found if opcode == BINARY) == data
    assert (10, b"alive") in found
    assert close_code(found) == 1000
    writer.close()


async def test_a_length_of_eight_exabytes_is_refused_before_it_comes(server: House) -> None:
    reader, writer, _ = await raw_tcp(server, "?prompt=speech")
    writer.write(struct.pack("!BBQ", 0x82, 0xFF, (1 << 63) - 1) + bytes(1000))
    assert close_code(await frames(reader)) == 1009
    writer.transport.abort()


@pytest.mark.parametrize("letter", ["x", "é", "𝄞"])
async def test_two_thousand_letters_of_any_script_fit_into_the_url(server: House, letter: str) -> None:
    _, writer, head = await raw_tcp(server, f"?prompt={quote(letter * 2000)}")
    assert head.startswith(b"HTTP/1.1 101")
    writer.transport.abort()
    await server.empty()


async def test_a_url_without_end_is_answered(server: House) -> None:
    _, writer, head = await raw_tcp(server, "?prompt=" + "x" * 40_000)
    assert head.startswith(b"HTTP/1.1 414")
    writer.close()


async def test_a_query_of_many_parameters_is_refused_by_name(server: House) -> None:
    async with connect(f"{server.url}?prompt=dog{'&' * 40}", compression=None) as link:
        heard = await talk(link, [])
    assert (heard.close, heard.error["field"]) == (4400, "query")


WRONG_WISHES: list[tuple[dict[str, Any], str]] = [
    ({"type": "update", "targets": [{"id": "w", "prompt": "rain", "gain": 1}]}, "targets.0.gain"),
    ({"type": "update", "targets": [{"id": "w", "prompt": 3}]}, "targets.0.prompt"),
    ({"type": "update", "targets": [{"id": "w"}]}, "targets.0.prompt"),
    ({"type": "update", "targets": [{"id": "w", "points": [{"x": 1, "y": 1}]}]}, "targets.0.points"),
    ({"type": "update", "targets": [{"id": "w", "prompt": "dog"}, {"id": "w", "prompt": "rain"}]}, "targets.1.id"),
    ({"type": "update", "targets": []}, "targets"),
    ({"type": "update", "target": []}, "target"),
    ({"type": "remove", "targets": []}, "targets"),
    ({"type": "remove", "ids": ["voice"]}, "ids"),
]


@pytest.mark.parametrize(("wish", "field"), WRONG_WISHES)
async def test_a_wrong_wish_is_named_and_the_session_goes_on(server: House, wish: dict[str, Any], field: str) -> None:
    sound = noise(4800)
    messages = framed_messages(sound.tobytes(), 2)
    async with server.framed() as link:
        heard = await talk(link, [json.dumps(START), *messages[:5], json.dumps(wish), *messages[5:], END])
    assert heard.error["field"] == field
    assert "close_code" not in heard.error
    assert heard.close == 1000
    assert len(heard.track(0)[0]) == len(sound.tobytes())


async def test_a_wrong_wish_before_the_session_ends_the_connection(server: House) -> None:
    async with server.framed() as link:
        heard = await talk(link, [json.dumps(WRONG_WISHES[0][0])])
    assert heard.close == 4400 == heard.error["close_code"]


BEGUN: list[str | bytes] = [json.dumps(START), HOP, END]
LATE: list[str | bytes] = [
    '{"type":"update","targets":[{"id":"voice","prompt":"rain"}]}',
    '{"type":"remove","targets":["voice"]}',
    '{"type":"flush"}',
    '{"type":"update","targets":[{"id":"w"}]}',
    HOP,
    END,
]


@pytest.mark.parametrize("late", LATE)
async def test_what_was_on_its_way_at_the_end_costs_nothing(server: House, late: str | bytes) -> None:
    async with server.framed() as link:
        heard = await talk(link, [*BEGUN, late])
    assert heard.close == 1000
    assert len(heard.track(0)[0]) == 960


async def test_a_wish_that_crosses_the_servers_farewell_is_no_mistake(identity: Bundle) -> None:
    async with house(identity) as server, server.framed() as link:
        await link.send(json.dumps(START))
        await next_text(link, "started")
        draining = asyncio.create_task(server.live.drain())
        await asyncio.sleep(0)
        assert server.live.draining
        heard = await talk(link, [LATE[0]])
        await draining
    assert heard.close == 1001
    assert heard.error["code"] == "draining"


async def test_a_connection_that_has_not_begun_is_told_of_the_stop(identity: Bundle) -> None:
    async with house(identity) as server:
        link = await server.framed()
        pong = await link.ping()
        await pong
    heard = await listen(link)
    assert (heard.close, heard.error["code"]) == (1001, "draining")


@pytest.mark.parametrize("stats", [True, False])
async def test_who_asks_and_never_reads_is_made_to_wait_and_then_closed(identity: Bundle, stats: bool) -> None:
    # Megabytes of answers would fit into a kernel's buffer before one waits in ours.
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    async with house(identity, slow_consumer_s=0.3) as server:
        small.connect(("127.0.0.1", server.port))
        async with server.framed(sock=small) as link:
            await link.send(json.dumps({**START, "stats": stats}))
            await next_text(link, "started")
            outbox = server.only_session()._outbox
            add_text, most = outbox.add_text, 0

            def seen(message: dict[str, Any]) -> None:
                nonlocal most
                add_text(message)
                most = max(most, outbox.texts)

            outbox.add_text = seen  # type: ignore[method-assign]
            link.transport.pause_reading()

            async def ask() -> None:
                while server.live.sessions:
                    await link.send('{"type":"ping"}')

            asking = asyncio.create_task(ask())
            await server.empty()
            asking.cancel()
            # What one read of the socket may bring, and no more.
            assert MOST_TEXTS <= most < MOST_TEXTS + 256 * 1024 // 20
            link.transport.resume_reading()
            heard = await listen(link)
    assert heard.close == 1008
    assert heard.error["code"] == "slow_consumer"


async def test_flags_and_sequence_numbers_of_a_client_are_not_judged(server: House) -> None:
    messages = [HEADER.pack(1, 0, 0, 255 - index, 7 * index, 480 * index) + bytes(960) for index in range(3)]
    async with server.framed() as link:
        heard = await talk(link, [json.dumps(START), *messages, END])
    assert heard.close == 1000
    assert len(heard.track(0)[0]) == 3 * 960


async def test_a_flood_of_flushes_gives_every_sample_once(server: House) -> None:
    data = noise(4801).tobytes()
    parts: list[bytes | str] = []
    for at in range(0, len(data), 961):
        parts += [data[at : at + 961], '{"type":"flush"}', '{"type":"flush"}']
    async with server.raw() as link:
        heard = await talk(link, [*parts, END])
    assert (heard.close, heard.sound) == (1000, data)
