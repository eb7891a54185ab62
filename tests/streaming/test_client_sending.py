"""Everything is sent once on each connection, from where the server wants it."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection

from engine.errors import BadInput
from engine.frames import Samples
from streaming.arrival import Captures
from streaming.client_hops import Totals
from streaming.client_sending import REMEMBERED_S, Sender
from streaming.protocol import HEADER_BYTES, unpack_header

RATE = 8000


class Wire:
    """A connection that keeps what is sent, and breaks after so many messages."""

    def __init__(self, breaks_after: int = 1 << 30) -> None:
        self.messages: list[bytes] = []
        self.aborted = False
        self._left = breaks_after

    @property
    def transport(self) -> Wire:
        return self

    def abort(self) -> None:
        self.aborted = True

    async def send(self, message: bytes) -> None:
        await asyncio.sleep(0)
        self._left -= 1
        if self._left < 0:
            raise ConnectionResetError
        self.messages.append(message)

    @property
    def places(self) -> list[tuple[int, int]]:
        """pts and samples of every message."""
        return [(unpack_header(one).pts, (len(one) - HEADER_BYTES) // 2) for one in self.messages]


def connection(wire: Wire) -> ClientConnection:
    return cast("ClientConnection", cast("Any", wire))


def sound(count: int) -> Samples:
    return np.zeros((1, count), np.float32)


@pytest.mark.parametrize(("rate", "seconds"), [(8000, 4.5), (192_000, 2.5)])
async def test_much_sound_at_once_goes_in_several_messages(rate: int, seconds: float) -> None:
    """A server takes 2 s of sound and 256 KiB in one, and ends the session otherwise."""
    totals, wire = Totals(), Wire()
    sender = Sender(rate, 2, "pcm_f32le", Captures(rate), totals)
    sender.begin(connection(wire), 0)
    count = round(seconds * rate)
    samples = np.random.default_rng(0).uniform(-1, 1, (2, count)).astype(np.float32)
    sender.add(samples, None)
    await sender.send_on()
    assert sender.done
    assert max(len(one) for one in wire.messages) <= HEADER_BYTES + (1 << 17)
    assert max(len(one) for one in wire.messages) <= HEADER_BYTES + 8 * rate
    heads = [unpack_header(one) for one in wire.messages]
    lengths = [(len(one) - HEADER_BYTES) // 8 for one in wire.messages]
    assert [head.pts for head in heads] == [sum(lengths[:place]) for place in range(len(lengths))]
    assert [head.sequence for head in heads] == list(range(len(heads)))
    payload = b"".join(one[HEADER_BYTES:] for one in wire.messages)
    np.testing.assert_array_equal(np.frombuffer(payload, "<f4").reshape(-1, 2).T, samples)
    assert totals.lost_samples == 0


@pytest.fixture
def sender() -> Sender:
    return Sender(RATE, 1, "pcm_s16le", Captures(RATE), Totals())


async def test_a_broken_connection_is_gone_on_with(sender: Sender) -> None:
    first, second = Wire(breaks_after=2), Wire()
    sender.begin(connection(first), 0)
    for _ in range(4):
        sender.add(sound(80), None)
        await sender.send_on()
    assert first.places == [(0, 80), (80, 80)]
    assert first.aborted
    sender.socket = None
    sender.add(sound(80), None)
    await sender.send_on()
    sender.go_on(connection(second), 100)
    await sender.send_on()
    assert second.places == [(100, 60), (160, 80), (240, 80), (320, 80)]
    assert [unpack_header(one).sequence for one in second.messages] == [0, 1, 2, 3]
    assert sender.done


async def test_another_session_counts_from_its_own_beginning(sender: Sender) -> None:
    first, second = Wire(), Wire()
    sender.begin(connection(first), 0)
    sender.add(sound(800), None)
    await sender.send_on()
    sender.begin(connection(second), 300)
    await sender.send_on()
    assert second.places == [(0, 500)]
    assert unpack_header(second.messages[0]).flags == 2
    assert sender._totals.lost_samples == 0


async def test_what_is_too_old_is_counted_as_lost(sender: Sender) -> None:
    sender.begin(connection(Wire()), 0)
    sender.socket = None
    seconds = int(REMEMBERED_S) + 2
    for _ in range(seconds):
        sender.add(sound(RATE), None)
    wire = Wire()
    sender.go_on(connection(wire), 0)
    await sender.send_on()
    assert wire.places[0] == (2 * RATE, RATE)
    assert sender._totals.lost_samples == 2 * RATE
    assert sender._totals.sent_samples == seconds * RATE


async def test_two_that_send_at_once_take_turns(sender: Sender) -> None:
    wire = Wire()
    sender.begin(connection(wire), 0)

    async def send() -> None:
        for _ in range(20):
            sender.add(sound(7), None)
            await sender.send_on()

    await asyncio.gather(send(), send(), send())
    assert wire.places == [(7 * index, 7) for index in range(60)]


def test_another_shape_is_refused(sender: Sender) -> None:
    with pytest.raises(BadInput, match="samples"):
        sender.add(np.zeros((2, 80), np.float32), None)
