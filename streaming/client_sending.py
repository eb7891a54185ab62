"""The SDK's way out: samples are encoded, remembered for some seconds, and sent, again if need be."""

from __future__ import annotations

import asyncio
import time

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from engine.errors import BadInput
from engine.frames import Samples
from streaming.arrival import Captures
from streaming.client_hops import Totals
from streaming.client_memory import Memory
from streaming.media import BYTES_PER_SAMPLE, Encoding, encode_pcm
from streaming.protocol import FLAG_DISCONTINUITY, pack_header

SEND_S = 5.0
REMEMBERED_S = 5.0
"""As much as the server keeps of its side."""

MESSAGE_S, MESSAGE_BYTES = 1.0, 1 << 17
"""Sound in one message: half of what a server takes unless it is told otherwise. Longer sound goes in several."""


class Sender:
    """What was given to `send`, on its way to whatever connection there is.

    Positions are counted in samples sent since the client was made; a session counts from `base`.

    Args:
        rate, channels, encoding: of the sound.
        captures: told when what was captured.
        totals: counts samples sent, clipped and lost.
    """

    def __init__(self, rate: int, channels: int, encoding: Encoding, captures: Captures, totals: Totals) -> None:
        self.base = 0
        self.socket: ClientConnection | None = None
        """The connection of this moment."""
        self._channels, self._encoding = channels, encoding
        self._frame_bytes = BYTES_PER_SAMPLE[encoding] * channels
        self._captures, self._totals = captures, totals
        self._memory = Memory(round(REMEMBERED_S * rate), self._frame_bytes)
        self._next = self._sequence = 0
        self._turn = asyncio.Lock()
        most = min(round(MESSAGE_S * rate), MESSAGE_BYTES // self._frame_bytes)
        self._message_bytes = max(most, 1) * self._frame_bytes

    def add(self, samples: Samples, captured_s: float | None) -> None:
        """Take `(channels, n)` float32 whose last sample was captured at `captured_s` (None: now).

        Raises:
            BadInput: another shape.
        """
        if samples.ndim != 2 or samples.shape[0] != self._channels:
            raise BadInput("samples", f"shape ({self._channels}, n)", samples.shape)
        payload, clipped = encode_pcm(samples, self._encoding)
        first = self._memory.add(payload)
        end = self._totals.sent_samples = self._memory.end
        self._totals.clipped_samples += clipped
        self._captures.sent(first, end, time.perf_counter() if captured_s is None else captured_s)

    @property
    def done(self) -> bool:
        """Whether everything was sent on this connection, or on the ones before."""
        return self._next >= self._memory.end

    def go_on(self, socket: ClientConnection, expects: int) -> None:
        """The same session on a new connection; the server expects its sample `expects`."""
        self._next = self.base + expects
        self._sequence, self.socket = 0, socket

    def begin(self, socket: ClientConnection, answered: int) -> None:
        """A new session, from sample `answered` on, or the oldest that is still remembered."""
        self.base = self._next = max(answered, self._memory.begin)
        self._totals.lost_samples += self.base - answered
        self._sequence, self.socket = 0, socket

    async def send_on(self) -> None:
        """Send what has not been sent; without a connection it is remembered for the next one."""
        async with self._turn:
            while (socket := self.socket) is not None and not self.done:
                for first, payload in self._memory.since(self._next):
                    self._totals.lost_samples += first - self._next  # too old to be remembered
                    for begin in range(0, len(payload), self._message_bytes):
                        part = payload[begin : begin + self._message_bytes]
                        if not await self._put(socket, first + begin // self._frame_bytes, part):
                            return

    async def _put(self, socket: ClientConnection, first: int, payload: bytes) -> bool:
        flags = FLAG_DISCONTINUITY if self._sequence == 0 and self.base else 0
        header = pack_header(0, flags, self._sequence, first - self.base)
        self._sequence += 1
        self._next = first + len(payload) // self._frame_bytes
        try:
            async with asyncio.timeout(SEND_S):
                await socket.send(header + payload)
        except (TimeoutError, ConnectionClosed, OSError):
            socket.transport.abort()  # whoever reads sees it, and connects anew
            return False
        return socket is self.socket
