"""What outlives a broken connection: the last seconds of a session's sound, and who may have it again.

Journal      every hop that was made, of the last `replay_s` of sound; what a client lacks of it, hop by hop
Resumption   what one session keeps for a client that has gone, and whether it is there
Shelf        the sessions of a server that can be resumed, by token; those without a client are the first to go

present ──connection breaks──► away ──resume──► present (absent until the replay is made)
                                 └──30 s, or the slot is needed──► over
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from streaming.errors import BadMessage, Refusal
from streaming.outbox import Outbox
from streaming.protocol import FLAG_DISCONTINUITY, HEADER_BYTES, pack_header, unpack_header
from streaming.stream import Hop

if TYPE_CHECKING:
    from streaming.attendance import Attendance
    from streaming.tokens import Grant


_MOST_TEXTS = 64
_STALE = ("stats", "pong")


@dataclass(slots=True)
class _Track:
    """What is known of a track beyond the hops that are kept: its first pts, where the kept ones begin, its end."""

    first: int
    kept_from: int
    end: int


class Journal:
    """The last sound of a session, all tracks, in the order in which it was made.

    Args:
        limit: samples (output rate) that are kept; a jump in pts is no sound.
        frame_bytes: bytes of one sample of all channels.
    """

    def __init__(self, limit: int, frame_bytes: int) -> None:
        self._limit, self._frame_bytes = limit, frame_bytes
        self._hops: deque[tuple[int, Hop]] = deque()
        self._made = self._edge = 0
        self._tracks: dict[int, _Track] = {}

    def add(self, hop: Hop) -> None:
        """A hop that was made just now."""
        begin, end = hop.begin, hop.end
        track = self._tracks.get(hop.track)
        if track is None:
            self._tracks[hop.track] = _Track(begin, begin, end)
        else:
            track.end = end
        if end > self._edge:
            # All tracks cover the same time: the one that is ahead counts for all.
            self._made += end - max(begin, self._edge)
            self._edge = end
        hops = self._hops
        hops.append((self._made, hop))
        while hops and hops[0][0] <= self._made - self._limit:
            self._forget(hops.popleft()[1])

    def _forget(self, hop: Hop) -> None:
        self._tracks[hop.track].kept_from = hop.end

    def check(self, received: Mapping[int, int]) -> None:
        """Judge what a client says it has.

        Args:
            received: track → pts after the last sample received.

        Raises:
            BadMessage: a track that never was, or sound that was never made.
        """
        for index, pts in received.items():
            track = self._tracks.get(index)
            if track is None and pts:
                raise BadMessage(f"received.{index}", "a track of this session", pts)
            if track is not None and not 0 <= pts <= track.end:
                raise BadMessage(f"received.{index}", f"at most {track.end}, the end of what was made", pts)

    def gaps(self, received: Mapping[int, int]) -> Iterator[tuple[int, int, int]]:
        """What a client lacks and cannot have any more: `(track, from, to)`."""
        for index, track in sorted(self._tracks.items()):
            has = max(received.get(index, track.first), track.first)
            if has < track.kept_from:
                yield index, has, track.kept_from

    def lacking(self, received: Mapping[int, int]) -> Iterator[Hop]:
        """What a client lacks and can have, in order; a hop of which it has a part is cut."""
        for _, hop in self._hops:
            has = received.get(hop.track, hop.begin)
            # An empty last hop has no sample by which a client could say that it has it: it comes again.
            if hop.end > has or hop.begin == hop.end >= has:
                yield hop if hop.begin >= has else self._cut(hop, has)

    def _cut(self, hop: Hop, begin: int) -> Hop:
        header = unpack_header(hop.message)
        payload = hop.message[HEADER_BYTES + (begin - hop.begin) * self._frame_bytes :]
        flags = header.flags & ~FLAG_DISCONTINUITY  # it stood before what the client has
        return replace(hop, begin=begin, message=pack_header(hop.track, flags, hop.sequence, begin) + payload)


class Resumption:
    """What a session keeps for a client whose connection broke.

    Args:
        token: by which it is found again.
        journal: its sound.
    """

    def __init__(self, token: str, journal: Journal) -> None:
        self.token, self.journal = token, journal
        self.absent = False
        """Nobody to write to: sound and texts are only kept."""
        self.away = False
        """The session waits for its client."""
        self.received: Mapping[int, int] = {}
        """What the client said it has when it came back."""
        self.attempt = 0
        """How often it came back."""
        self._over = False
        self._held: deque[dict[str, Any]] = deque(maxlen=_MOST_TEXTS)
        self._turn = asyncio.Event()

    def part(self, texts: Iterable[dict[str, Any]]) -> None:
        """The client has gone; `texts` were on their way to it."""
        self.absent = self.away = True
        self._turn.clear()
        for text in texts:
            self.hold(text)

    def hold(self, text: dict[str, Any]) -> None:
        """Keep a text until the client is back; what is worth nothing by then is not kept."""
        if text["type"] not in _STALE:
            self._held.append(text)

    def come_back(self, received: Mapping[int, int]) -> int:
        """The client is back; the number of the answer that it waits for."""
        self.away = False
        self.received = received
        self.attempt += 1
        self._turn.set()
        return self.attempt

    def give_up(self) -> None:
        """Nobody may come back any more."""
        self._over, self.away = True, False
        self._turn.set()

    async def client_returns(self, within_s: float) -> bool:
        """Wait for the client; True when it is back, False when the session is over or the time is up."""
        try:
            async with asyncio.timeout(within_s):
                while self.away:
                    await self._turn.wait()
        except TimeoutError:
            return False
        return not self._over

    def replay(self, outbox: Outbox, resumed: dict[str, Any]) -> None:
        """Put everything that the client lacks into a fresh outbox; from now on it is written to again."""
        outbox.add_text(resumed)
        for track, begin, end in self.journal.gaps(self.received):
            outbox.add_text({"type": "gap", "track": track, "from": begin, "to": end})
        outbox.add_owed(self.journal.lacking(self.received))
        while self._held:
            outbox.add_text(self._held.popleft())
        self.absent = False


class Shelf:
    """The resumable sessions of a server, by token.

    A token is as good as the session, so it counts only together with the credentials that began it.
    """

    def __init__(self) -> None:
        self._sessions: dict[str, Attendance] = {}
        self._waiting: dict[Attendance, None] = {}

    def __len__(self) -> int:
        """Sessions that wait for their client."""
        return len(self._waiting)

    def put(self, runner: Attendance) -> str:
        """A session has started; its token."""
        token = secrets.token_urlsafe(24)
        self._sessions[token] = runner
        return token

    def remove(self, token: str) -> None:
        """A session is over; harmless when repeated."""
        runner = self._sessions.pop(token, None)
        if runner is not None:
            self._waiting.pop(runner, None)

    def wait(self, runner: Attendance) -> None:
        """A session has lost its client."""
        self._waiting[runner] = None

    def claim(self, token: str, key: str, grant: Grant | None) -> Attendance:
        """The session of a token, for its own client.

        Args:
            token: as it came.
            key, grant: of who asks.

        Raises:
            Refusal: `not_resumable`, without saying whether the session is over or somebody else's.
        """
        runner = self._sessions.get(token)
        mine = runner is not None and runner.key == key and _same(runner.grant, grant)
        if runner is None or not mine:
            message = "there is no such session here any more; begin again with 'start'"
            raise Refusal("not_resumable", message, 0, retryable=False, field="token")
        return runner

    def back(self, runner: Attendance) -> None:
        """A session's client is back."""
        self._waiting.pop(runner, None)

    def oldest(self, key: str | None = None) -> Attendance | None:
        """The session that has waited longest for its client (of one key), the first to go when there is no room."""
        return next((runner for runner in self._waiting if key is None or runner.key == key), None)

    def __iter__(self) -> Iterator[Attendance]:
        """All of them, with or without a client."""
        return iter(list(self._sessions.values()))


def _same(began: Grant | None, asks: Grant | None) -> bool:
    """Whether who asks came with the same token, or both with none.

    A page whose token has had its session cannot have another one of the same key take it over, and the key itself
    can: it is worth more than any token minted with it.
    """
    return asks is None or (began is not None and began.id == asks.id)
