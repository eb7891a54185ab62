"""The short way in and out, and what it relies on in uvicorn and websockets."""

from __future__ import annotations

import asyncio
import inspect
import json
import random
from typing import Any

import pytest
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.protocol import Protocol
from websockets.speedups import apply_mask

from streaming.frame_heads import frame_head
from streaming.live_socket import LiveSocket, socket_of
from tests.streaming.live import House, listen, next_text, noise


def test_canary_what_is_relied_on_is_still_there() -> None:
    """A new uvicorn or websockets that changes one of these breaks `LiveSocket`: look there."""
    source = inspect.getsource(WebSocketsSansIOProtocol)
    for name in (
        "self.queue", "self.conn", "self.transport", "self.scope", "self.read_paused", "self.writable", "self.frames",
        "self.close_sent", "self.close_timer", "self.disconnected", "self.handshake_initiated",
        "self.curr_msg_data_type",
    ):  # fmt: skip
        assert name in source, name
    # The task that runs the application is only created here: the scope may still be changed.
    connect = inspect.getsource(WebSocketsSansIOProtocol.handle_connect)
    assert connect.index("create_task") > connect.index("self.scope")
    # After the application returned, a close timer keeps uvicorn from closing at once.
    assert "if self.close_timer is None:" in inspect.getsource(WebSocketsSansIOProtocol.run_asgi)
    parser = inspect.getsource(Protocol)
    assert "self.current_size" in parser
    assert "self.parser_exc" in parser
    assert "max_message_size" in parser
    assert apply_mask(b"abcde", b"\x01\x02\x03\x04") == bytes((0x60, 0x60, 0x60, 0x60, 0x64))


@pytest.mark.parametrize("scope", [{}, {"extensions": {"winnow.socket": object()}}])
def test_another_way_to_start_it_names_the_right_one(scope: dict[str, Any]) -> None:
    with pytest.raises(RuntimeError, match="winnow serve"):
        socket_of(scope)


def masked(opcode: int, payload: bytes, fin: bool = True) -> bytes:
    """A client's frame."""
    key = b"\x11\x22\x33\x44"
    head = bytearray(frame_head((0x80 if fin else 0) | opcode, len(payload)))
    head[1] |= 0x80
    return bytes(head) + key + apply_mask(payload, key)


@pytest.mark.parametrize("seed", range(6))
async def test_frames_may_be_cut_anywhere_and_mixed(server: House, seed: int) -> None:
    """Whole, fragmented, pinged in between, in segments of any length: the sound is the same."""
    random_ = random.Random(seed)
    data = noise(6000, seed=seed).tobytes()
    stream = bytearray()
    at = 0
    while at < len(data):
        piece = data[at : at + random_.choice((1, 125, 126, 960, 5000))]
        at += len(piece)
        if random_.random() < 0.3 and len(piece) > 2:
            stream += masked(2, piece[:1], fin=False) + masked(9, b"ping") + masked(0, piece[1:2], fin=False)
            stream += masked(0, piece[2:])
        else:
            stream += masked(2, piece)
    stream += masked(1, b'{"type":', fin=False) + masked(0, b'"end"}')
    async with server.raw() as link:
        await next_text(link, "started")
        at = 0
        while at < len(stream):
            step = random_.choice((1, 3, 700, 4096))
            link.transport.write(bytes(stream[at : at + step]))
            at += step
            await asyncio.sleep(0)
        heard = await listen(link)
    assert heard.close == 1000
    assert heard.sound == data


async def test_an_unmasked_frame_breaks_the_protocol(server: House) -> None:
    async with server.raw() as link:
        await next_text(link, "started")
        link.transport.write(b"\x82\x02ab")
        assert (await listen(link)).close == 1002


async def test_the_client_may_close_first(server: House) -> None:
    async with server.raw() as link:
        await next_text(link, "started")
        await link.close(1000, "enough")
        assert link.close_code == 1000
    await server.empty()


async def test_pings_of_a_client_that_does_not_read_do_not_pile_up(server: House) -> None:
    async with server.raw() as link:
        await next_text(link, "started")
        socket = server.only_socket()
        assert isinstance(socket, LiveSocket)
        link.transport.pause_reading()
        for _ in range(400):
            for _ in range(200):
                link.transport.write(masked(9, bytes(125)))
            await link.send(b"")
            assert socket.transport.get_write_buffer_size() < 64 * 1024
        link.transport.abort()
    await server.empty()


async def test_an_oversized_message_is_skipped_and_not_kept(server: House) -> None:
    async with server.raw() as link:
        await next_text(link, "started")
        socket = server.only_socket()
        link.transport.write(b"\x82\xff" + (16 * 65536).to_bytes(8, "big") + bytes(4))
        for _ in range(16):
            link.transport.write(bytes(65536))
        heard = await listen(link)
        assert heard.close == 1009
        assert json.loads(json.dumps(heard.error))["code"] == "message_too_large"
        assert len(socket._rest) < 64
