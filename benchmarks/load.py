"""A load generator for raw mode that costs next to nothing: what it measures must be the server, not itself.

No event loop and no WebSocket library: one `epoll`, one blocking wait with microsecond resolution, and frames that were
masked and laid out before the clock started, shared by all connections. Every connection sends one chunk per chunk
length, each at a phase of its own, so that the server never gets them all at once. What is received is only counted
and stamped; latencies are worked out after the run. The generator's own lag (time of sending minus time planned) is
part of its result: a run whose lag is not small against what it found says nothing.

*Arrival latency* of a hop = time of receipt − time of capture of its first sample, where the first sample of a chunk
was captured one chunk length before the chunk was sent.
"""

from __future__ import annotations

import gc
import json
import os
import select
import socket
import struct
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import numpy as np
from numpy.typing import NDArray

from engine.frames import Samples

MASK_KEY = b"\x37\xfa\x21\x3d"
"""Any key is a valid one; a fixed key lets every frame be masked once, before the clock starts."""

TEXT, BINARY, CLOSE, PING = 1, 2, 8, 9


def client_frame(opcode: int, payload: bytes) -> bytes:
    """One final, masked client frame (RFC 6455, section 5.2)."""
    if len(payload) < 126:
        head = struct.pack("!BB", 0x80 | opcode, 0x80 | len(payload))
    elif len(payload) < 1 << 16:
        head = struct.pack("!BBH", 0x80 | opcode, 0x80 | 126, len(payload))
    else:
        head = struct.pack("!BBQ", 0x80 | opcode, 0x80 | 127, len(payload))
    key = np.frombuffer(MASK_KEY * (len(payload) // 4 + 1), np.uint8)[: len(payload)]
    return head + MASK_KEY + (np.frombuffer(payload, np.uint8) ^ key).tobytes()


@dataclass(frozen=True, slots=True)
class Plan:
    """What to send: `sessions` connections, `sound` `(channels, n)` in a loop, in chunks, for `seconds`."""

    port: int
    sessions: int
    seconds: float
    prompt: str
    sound: Samples
    sample_rate: int = 48000
    chunk: int = 480
    seed: int = 7

    @property
    def chunk_s(self) -> float:
        """Length of a chunk in seconds."""
        return self.chunk / self.sample_rate

    @property
    def path(self) -> str:
        """Raw mode's one URL, without the host."""
        query = {
            "prompt": self.prompt,
            "sample_rate": self.sample_rate,
            "channels": len(self.sound),
            "encoding": "pcm_s16le",
        }
        return "/v1/live?" + urlencode(query)

    def frames(self) -> list[bytes]:
        """The sound as ready-made frames, one a chunk."""
        steps = np.clip(np.rint(self.sound * 32767), -32768, 32767).astype("<i2").T
        count = steps.shape[0] // self.chunk
        return [client_frame(BINARY, steps[i * self.chunk : (i + 1) * self.chunk].tobytes()) for i in range(count)]


@dataclass(slots=True)
class Connection:
    """One raw session and what came of it; times in seconds of `time.perf_counter`."""

    socket: socket.socket
    phase_s: float
    sent_s: list[float] = field(default_factory=list)
    received: list[tuple[float, int]] = field(default_factory=list)
    """Time of each receipt and the bytes of sound received by then."""
    messages: list[dict[str, Any]] = field(default_factory=list)
    received_bytes: int = 0
    closed: int | None = None
    _rest: bytes = b""
    _unsent: bytes = b""

    def send(self, frame: bytes, now_s: float) -> None:
        """Send without ever waiting; what the socket does not take now goes before the next frame."""
        self.sent_s.append(now_s)
        self._write(frame)

    def _write(self, frame: bytes) -> None:
        if self.closed is not None:
            return
        data = self._unsent + frame if self._unsent else frame
        try:
            self._unsent = data[self.socket.send(data) :]
        except BlockingIOError:
            self._unsent = data
        except OSError:
            self.closed = self.closed or 1006

    def end(self) -> None:
        """Say that no more sound comes."""
        self._write(client_frame(TEXT, b'{"type":"end"}'))

    def receive(self) -> None:
        """Take what is there, stamp it, and answer pings and closes."""
        try:
            data = self.socket.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        now_s = time.perf_counter()
        if not data:
            self.closed = self.closed or 1006
            return
        if self._rest:
            data = self._rest + data
        self._rest = self._parse(data, now_s)

    def _parse(self, data: bytes, now_s: float) -> bytes:
        at, end = 0, len(data)
        while end - at >= 2:
            size, head = data[at + 1], 2
            if size == 126:
                if end - at < 4:
                    break
                size, head = (data[at + 2] << 8) | data[at + 3], 4
            elif size == 127:
                if end - at < 10:
                    break
                size, head = int.from_bytes(data[at + 2 : at + 10], "big"), 10
            if end - at < head + size:
                break
            opcode = data[at] & 15
            if opcode == BINARY:
                self.received_bytes += size
                self.received.append((now_s, self.received_bytes))
            else:
                self._control(opcode, data[at + head : at + head + size])
            at += head + size
        return data[at:]

    def _control(self, opcode: int, payload: bytes) -> None:
        if opcode == TEXT:
            self.messages.append(json.loads(payload))
        elif opcode == PING:
            self._write(client_frame(10, payload))
        elif opcode == CLOSE:
            self._write(client_frame(CLOSE, payload[:2]))
            self.closed = int.from_bytes(payload[:2], "big") if len(payload) >= 2 else 1005

    def last_message(self, kind: str) -> dict[str, Any]:
        """The newest text message of a type, or nothing."""
        return next((message for message in reversed(self.messages) if message.get("type") == kind), {})


def connect(plan: Plan, phase_s: float) -> Connection:
    """Open one raw session: the HTTP upgrade by hand.

    Raises:
        ConnectionError: the server did not switch protocols; the message is its first line.
    """
    link = socket.create_connection(("127.0.0.1", plan.port), timeout=20)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    request = (
        f"GET {plan.path} HTTP/1.1\r\nHost: 127.0.0.1:{plan.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: d2lubm93LWJlbmNobWFyaw==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    link.sendall(request.encode())
    head = b""
    while b"\r\n\r\n" not in head:
        block = link.recv(4096)
        if not block:
            break
        head += block
    answer, _, rest = head.partition(b"\r\n\r\n")
    if b" 101 " not in answer.split(b"\r\n")[0]:
        raise ConnectionError(f"the server did not open a session: {answer[:200]!r}")
    link.setblocking(False)
    made = Connection(link, phase_s)
    made._rest = made._parse(rest, time.perf_counter())
    return made


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run gave; times in seconds.

    Attributes:
        latency_s: arrival latency of every hop of every session, seconds.
        lag_s: how late the generator itself sent each chunk.
        late_hops: as the server counted them.
        missing: sessions that did not end with `ended`.
        connections: for whoever wants to look closer.
    """

    latency_s: NDArray[np.float64]
    lag_s: NDArray[np.float64]
    late_hops: int
    missing: int
    connections: list[Connection]


class Load:
    """A set of open sessions that is paced from one thread.

    Args:
        plan: what to send.

    Raises:
        ConnectionError: a session was refused.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        phases = np.random.default_rng(plan.seed).uniform(0.0, plan.chunk_s, plan.sessions)
        self._poll = select.epoll()
        self.connections: list[Connection] = []
        self._by_fd: dict[int, Connection] = {}
        for phase_s in np.sort(phases):
            made = connect(plan, float(phase_s))
            self.connections.append(made)
            self._by_fd[made.socket.fileno()] = made
            self._poll.register(made.socket.fileno(), select.EPOLLIN)

    def _wait_until(self, due_s: float) -> None:
        """Receive until `due_s`. `epoll` alone waits in whole milliseconds, `select` on it in microseconds."""
        while True:
            left_s = due_s - time.perf_counter()
            if left_s <= 0:
                return
            if not select.select([self._poll], [], [], left_s)[0]:
                return
            self._receive_ready()

    def _receive_ready(self) -> None:
        for number, _ in self._poll.poll(0):
            connection = self._by_fd[number]
            connection.receive()
            if connection.closed is not None:
                self._poll.unregister(number)
                connection.socket.close()

    def run(self, every_s: float = 0.0, observe: Any = None) -> Outcome:
        """Send the plan in real time, end every session, and wait for the last answers (10 s at most).

        Args:
            every_s: call `observe(seconds since start)` about that often (0: never).
            observe: what to call; it must be quick.
        """
        frames = self.plan.frames()
        chunks = int(self.plan.seconds / self.plan.chunk_s)
        lag = np.zeros((chunks, len(self.connections)))
        gc.collect()
        gc.disable()  # a collection of half a million stamps would show as lag
        try:
            start_s = time.perf_counter() + 0.2
            observed_s = start_s
            for index in range(chunks):
                frame = frames[index % len(frames)]
                tick_s = start_s + index * self.plan.chunk_s
                for row, connection in enumerate(self.connections):
                    due_s = tick_s + connection.phase_s
                    self._wait_until(due_s)
                    now_s = time.perf_counter()
                    lag[index, row] = now_s - due_s
                    connection.send(frame, now_s)
                self._receive_ready()
                if every_s and tick_s - observed_s >= every_s:
                    observed_s = tick_s
                    observe(tick_s - start_s)
            self._finish()
        finally:
            gc.enable()
        return self._outcome(lag.ravel())

    def _finish(self) -> None:
        for connection in self.connections:
            # One after the other: real listeners do not all leave in the same millisecond.
            self._wait_until(time.perf_counter() + self.plan.chunk_s)
            connection.end()
        limit_s = time.perf_counter() + 10.0
        while time.perf_counter() < limit_s and any(link.closed is None for link in self.connections):
            self._wait_until(time.perf_counter() + 0.02)

    def _outcome(self, lag_s: NDArray[np.float64]) -> Outcome:
        ended = [connection.last_message("ended") for connection in self.connections]
        return Outcome(
            latency_s=np.concatenate([arrival_latencies(self.plan, link) for link in self.connections]),
            lag_s=lag_s,
            late_hops=sum(int(message.get("late_hops", 0)) for message in ended),
            missing=sum(not message for message in ended),
            connections=self.connections,
        )

    def close(self) -> None:
        """Close what is still open."""
        for connection in self.connections:
            connection.socket.close()
        self._poll.close()


def arrival_latencies(plan: Plan, connection: Connection, hop: int = 480) -> NDArray[np.float64]:
    """Arrival latency of every hop that was received whole before `end` was sent, seconds.

    The flush at the end gives out what would else have come later, so those hops are left out.
    """
    if not connection.received or not connection.sent_s:
        return np.zeros(0)
    times, totals = (np.array(column) for column in zip(*connection.received, strict=True))
    sent = np.array(connection.sent_s)
    samples = totals / (2 * len(plan.sound))
    live = int(samples[times <= sent[-1]].max(initial=0)) // hop
    first = np.arange(live) * hop
    arrived = times[np.searchsorted(samples, first + hop)]
    chunk = first // plan.chunk
    captured = sent[chunk] - plan.chunk_s + (first - chunk * plan.chunk) / plan.sample_rate
    return np.asarray(arrived - captured)


def go_first_on(core: int) -> None:
    """Keep this process on one core, where the machine has several, and before all others there, where that is allowed.

    The generator stands for other machines: what else runs on this one must not hold it up. Children do not inherit
    the priority, but they do inherit the core.
    """
    if core in os.sched_getaffinity(0):
        os.sched_setaffinity(0, {core})
    with suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))
