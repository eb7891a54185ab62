"""The load generator's arithmetic: every latency in the README passes through it."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import numpy as np
import pytest
from websockets.frames import Frame, Opcode
from websockets.protocol import SERVER, Protocol

from benchmarks.load import BINARY, TEXT, Connection, Plan, arrival_latencies, client_frame

CHUNK_S = 0.01


def frames_of(server: Protocol) -> list[Frame]:
    """What a real WebSocket made of the bytes it got."""
    events = server.events_received()
    assert all(isinstance(event, Frame) for event in events)
    return [event for event in events if isinstance(event, Frame)]


@pytest.fixture
def link() -> Iterator[tuple[Connection, socket.socket]]:
    """A connection of the generator, and the server's end of its socket."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        yield Connection(ours, 0.0), theirs


def plan() -> Plan:
    return Plan(port=1, sessions=1, seconds=1.0, prompt="speech", sound=np.zeros((1, 4800), np.float32))


@pytest.mark.parametrize("size", [0, 1, 125, 126, 1920, 65535, 65536])
def test_a_real_websocket_reads_our_frames(size: int) -> None:
    payload = bytes(range(256)) * (size // 256 + 1)
    server = Protocol(SERVER, max_size=None)
    server.receive_data(client_frame(BINARY, payload[:size]))
    (frame,) = frames_of(server)
    assert frame.opcode is Opcode.BINARY
    assert frame.data == payload[:size]


def test_frames_hold_the_sound_in_steps_of_s16() -> None:
    sound = np.full((1, 960), 0.5, np.float32)
    frames = Plan(1, 1, 1.0, "speech", sound).frames()
    server = Protocol(SERVER)
    server.receive_data(b"".join(frames))
    received = frames_of(server)
    assert [len(frame.data) for frame in received] == [960, 960]
    assert np.frombuffer(received[0].data, "<i2")[0] == round(0.5 * 32767)


def test_a_prompt_is_quoted_in_the_url() -> None:
    path = Plan(1, 1, 1.0, "dog bark & rain", np.zeros((2, 480), np.float32)).path
    assert "prompt=dog+bark+%26+rain" in path
    assert "channels=2" in path


@pytest.mark.parametrize("cut", [1, 3, 7, 500, 10_000])
def test_what_comes_in_pieces_is_counted_whole(link: tuple[Connection, socket.socket], cut: int) -> None:
    connection, theirs = link
    server = Protocol(SERVER)
    server.send_binary(bytes(960))
    server.send_text(json.dumps({"type": "ended", "late_hops": 3}).encode())
    server.send_binary(bytes(100))
    data = b"".join(server.data_to_send())
    for start in range(0, len(data), cut):
        theirs.sendall(data[start : start + cut])
        connection.receive()
    assert connection.received_bytes == 1060
    assert [total for _, total in connection.received] == [960, 1060]
    assert connection.last_message("ended") == {"type": "ended", "late_hops": 3}


def test_a_close_is_answered_and_remembered(link: tuple[Connection, socket.socket]) -> None:
    connection, theirs = link
    server = Protocol(SERVER)
    server.send_close(1013, "full")
    theirs.sendall(b"".join(server.data_to_send()))
    connection.receive()
    assert connection.closed == 1013
    server.receive_data(theirs.recv(100))
    assert [frame.opcode for frame in frames_of(server)] == [Opcode.CLOSE]


def test_arrival_latency_counts_from_the_capture_of_the_hops_first_sample(
    link: tuple[Connection, socket.socket],
) -> None:
    connection, _ = link
    connection.sent_s = [1.00, 1.01, 1.02, 1.03, 1.04]
    # Hop 0 comes 2 ms after chunk 1 was sent, hop 1 3 ms after chunk 2, both halves of hop 2 apart.
    connection.received = [(1.012, 960), (1.023, 1920), (1.030, 2400), (1.035, 2880)]
    expected = [1.012 - 0.99, 1.023 - 1.00, 1.035 - 1.01]
    assert arrival_latencies(plan(), connection) == pytest.approx(expected)


def test_what_the_flush_gave_out_is_no_latency(link: tuple[Connection, socket.socket]) -> None:
    connection, _ = link
    connection.sent_s = [1.00, 1.01, 1.02]
    connection.received = [(1.012, 960), (1.5, 2880)]
    assert len(arrival_latencies(plan(), connection)) == 1


def test_nothing_received_gives_no_latency(link: tuple[Connection, socket.socket]) -> None:
    connection, _ = link
    assert arrival_latencies(plan(), connection).size == 0


def test_text_frames_are_masked_too() -> None:
    server = Protocol(SERVER)
    server.receive_data(client_frame(TEXT, b'{"type":"end"}'))
    (frame,) = frames_of(server)
    assert json.loads(bytes(frame.data)) == {"type": "end"}
