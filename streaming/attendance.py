"""A session and its client, who may come and go: the half of a `Runner` that outlives connections.

    _attend   timers and waiting, until the session is over, or its connection and nobody comes back to it
    on_lost   the connection broke: the session waits (`_part`), or closes up
    come_back the client is here again, on another connection: it gets what it lacks

What a session keeps meanwhile, and how it is found again, is in `resume`.
"""

from __future__ import annotations

import asyncio
import json
import math
import secrets
from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from streaming.audience import Audience
from streaming.errors import Close, NotSupportedYet, Refusal
from streaming.link import Link
from streaming.listener import Listener, Nobody
from streaming.live_socket import LiveSocket
from streaming.messages import Resume
from streaming.outbox import Outbox
from streaming.protocol import Mode, Protocol, SessionRequest, State
from streaming.resume import Journal, Resumption
from streaming.stream import Stream
from streaming.tokens import Grant

if TYPE_CHECKING:
    from streaming.live_server import LiveServer


class Attendance(Listener):
    """See the module.

    Args:
        socket: the first connection.
        server: admits the session, owns the worker.
        key: short name of the client's API key.
        grant: of the token that the client came with.
        mode: `raw` sessions end with their connection.
    """

    def __init__(self, socket: Link, server: LiveServer, key: str, grant: Grant | None, mode: Mode) -> None:
        self.name = secrets.token_urlsafe(9)
        self.key, self.grant = key, grant
        self.socket = socket
        self.request: SessionRequest | None = None
        self.audience = Audience()
        self.has_started = False
        self.started_s = server.clock()
        self._server, self._settings, self._clock = server, server.settings, server.clock
        self._post = server.worker.post
        self._protocol = Protocol(mode)
        self._stream: Stream | None = None
        self._outbox = Outbox(48000, None)
        self._running = False
        self._heard = True
        self._moved_s = self.started_s
        self._farewell: tuple[list[dict[str, Any]], int] | None = None
        self._kept: Resumption | None = None
        self._last_word: dict[str, Any] = {}
        self._over = asyncio.Event()
        self._guest_over: asyncio.Event | None = None

    # --- what the session does of itself ----------------------------------------------------------------------

    @abstractmethod
    def refuse(self, error: BaseException) -> None:
        """Tell an error and close."""

    @abstractmethod
    def _tell(self, message: dict[str, Any]) -> None:
        """Send a text, or let it wait."""

    @abstractmethod
    def _drain_outbox(self) -> None:
        """Send what waits, as far as the client reads."""

    @abstractmethod
    def _expect_output(self) -> None:
        """Tell the connection how much will be written."""

    @property
    @abstractmethod
    def _is_stuck(self) -> bool:
        """Whether something waits that may neither be dropped nor wait for long."""

    # --- life -------------------------------------------------------------------------------------------------

    async def _attend(self) -> None:
        """Until the session is over, or its connection and nobody can come back to it."""
        try:
            async with asyncio.TaskGroup() as tasks:
                timers = [tasks.create_task(self._watch()), tasks.create_task(self._ask_for_stats())]
                await self._over.wait()
                # Not over any more: the client was back before this task had its turn.
                while self.is_away or not self._over.is_set():
                    if self._kept is None or not await self._kept.client_returns(self._settings.resume_s):
                        break
                    await self._over.wait()
                for timer in timers:
                    timer.cancel()
        finally:
            self._release()

    def _release(self) -> None:
        self._protocol.close()
        self._running = False
        self._free()
        self._close_up()
        self._outbox.clear()

    def _free(self) -> None:
        """Give back what others could use: the slot, the place in the engine."""
        self._server.release(self)
        self.audience.close()
        if self._stream is not None:
            self._server.worker.close(self._stream, self._clock())
            self._stream = None

    def _close_up(self) -> None:
        """Nothing follows, on this connection or another one."""
        if self._kept is not None:
            self._server.shelf.remove(self._kept.token)
            self._kept.give_up()
        self._let_guest_go()
        self._over.set()

    def evict(self) -> None:
        """End a session that waits for its client; its slot is free when this returns."""
        self._release()

    def on_lost(self) -> None:
        """The client has gone: on purpose, or it may come back."""
        socket = self.socket
        if isinstance(socket, LiveSocket) and socket.broken and self._may_wait:
            self._part()
        else:
            self._close_up()

    @property
    def _may_wait(self) -> bool:
        server = self._server
        if self._kept is None or not self._settings.resume_s or server.draining:
            return False
        # One that is closed has ended as agreed, or was refused.
        return self._protocol.state is not State.CLOSED or (
            self._farewell is not None and self._farewell[1] == Close.DONE
        )

    @property
    def is_away(self) -> bool:
        """Whether the session waits for its client."""
        return self._kept is not None and self._kept.away

    def _part(self) -> None:
        """Go on without a client."""
        assert self._kept is not None, "asked before"
        self._kept.part(self._outbox.take_texts())
        if self._farewell is not None:
            self._retire()
        self._server.shelf.wait(self)
        self._let_guest_go()
        self._over.set()

    def _let_guest_go(self) -> None:
        if self._guest_over is not None:
            self._guest_over.set()
            self._guest_over = None

    def come_back(self, socket: LiveSocket, received: Mapping[int, int], guest_over: asyncio.Event) -> None:
        """The client is here again.

        Args:
            socket: its new connection, which tells this runner from now on.
            received: track → pts after the last sample it has.
            guest_over: to be set when the new connection is over: another task holds it open.

        Raises:
            BadMessage: it cannot have that; nothing has changed.
        """
        kept = self._kept
        assert kept is not None, "only sessions that keep something are found again"
        kept.journal.check(received)
        if not kept.away:
            # We have not noticed yet that the old connection is dead.
            if isinstance(self.socket, LiveSocket):
                self.socket.cut()
            self._part()
        self._over.clear()
        attempt = kept.come_back(received)
        self._server.shelf.back(self)
        self._server.metrics.resumed.inc()
        socket.hand_to(self)
        self.socket, self._guest_over = socket, guest_over
        self._heard, self._moved_s = True, self._clock()
        self._expect_output()
        if self._stream is None:
            self._replay(self._last_word)
        else:
            self._post(self._stream, self._stream.tell_expected, attempt, self._clock())

    def _replay(self, told: dict[str, Any]) -> None:
        kept, request = self._kept, self.request
        assert kept is not None, "a client that came back"
        assert request is not None, "a session that started"
        self._outbox = Outbox(request.output_rate, self._settings.outbox_ms / 1000.0, self._outbox.dropped_hops)
        kept.replay(self._outbox, {"type": "resumed", "session": self.name, **told})
        self._drain_outbox()

    def _claim(self, message: Resume) -> None:
        """This connection's client wants a session that another connection began."""
        if not isinstance(self.socket, LiveSocket):
            raise NotSupportedYet("type", "resume on this kind of connection", Close.BAD_MESSAGE)
        try:
            session = self._server.shelf.claim(message.token, self.key, self.grant)
        except Refusal as refusal:
            self._tell(refusal.wire(closes=False))
            return
        session.come_back(self.socket, message.tracks, self._over)
        self._protocol.close()

    def _answer_return(self, text: dict[str, Any]) -> None:
        # Where the client has come back twice, only the newer answer counts.
        if self._kept is not None and text.pop("attempt") == self._kept.attempt and not self._kept.away:
            self._replay(text)

    def _keep(self) -> str | None:
        """From now on the session can be resumed; its token, or None where it cannot."""
        request, settings = self.request, self._settings
        if request is None or request.mode == "raw" or not settings.resume_s or not isinstance(self.socket, LiveSocket):
            return None
        journal = Journal(int(settings.replay_s * request.output_rate), request.audio.frame_bytes)
        self._kept = Resumption(self._server.shelf.put(self), journal)
        return self._kept.token

    def _retire(self) -> None:
        """Everything is made; the slot is free, and what was made is still there for a client that lacks some of it."""
        if self._stream is not None:
            self._last_word = self._stream.resumed()
            self._free()

    # --- the clock's limits -----------------------------------------------------------------------------------

    async def _watch(self) -> None:
        settings = self._settings
        tick_s = min(1.0, settings.idle_s / 4, settings.slow_consumer_s / 4)
        heard_s = self._clock()
        while True:
            await asyncio.sleep(tick_s)
            now_s = self._clock()
            # Whoever cannot be heard yet or is made to wait by us is not idle; who has said `end` need not speak.
            absent = self._kept is not None and self._kept.absent
            said_end = self._protocol.state in (State.ENDING, State.CLOSED)
            if self._heard or absent or said_end or self.socket.connecting or self.socket.read_paused:
                self._heard = False
                heard_s = now_s
            if now_s - self.started_s > self._longest_s:  # first: whose time is up need not come back
                self.refuse(_timed_out("over_time", f"a session may last {self._longest_s:g} s"))
            elif now_s - heard_s > settings.idle_s:
                self._hang_up(_timed_out("idle", f"nothing was heard for {settings.idle_s:g} s"))
            elif self._stalled(now_s):
                self.slow_consumer()

    @property
    def _longest_s(self) -> float:
        granted_s = self.grant.max_session_s if self.grant is not None else None
        return min(self._settings.max_session_s or math.inf, granted_s or math.inf)

    def _hang_up(self, error: Refusal) -> None:
        """End a connection on which nothing moves: a network goes away like that, so the session waits if it can."""
        socket = self.socket
        if not isinstance(socket, LiveSocket) or not self._may_wait:
            self.refuse(error)
            return
        self._server.metrics.refused.labels(error.code).inc()
        socket.write_text(json.dumps(error.wire()))
        socket.finish(error.close)
        socket.hand_to(Nobody())
        self._part()

    def _stalled(self, now_s: float) -> bool:
        waited_s = now_s - self._moved_s if self._outbox else 0.0
        return waited_s > self._settings.slow_consumer_s and self._is_stuck

    def slow_consumer(self) -> None:
        """The client has not read for too long, and nothing may be dropped."""
        limit_s = self._settings.slow_consumer_s
        error = Refusal("slow_consumer", f"nothing was read for {limit_s:g} s", Close.POLICY, retryable=True)
        if self._farewell is not None and self._may_wait:
            self._hang_up(error)
            return
        # Even where the farewell was waiting for the outbox.
        self._protocol.state = State.ENDING
        self.refuse(error)

    async def _ask_for_stats(self) -> None:
        while True:
            await asyncio.sleep(self._settings.stats_s)
            stream = self._stream
            absent = self._kept is not None and self._kept.absent
            if stream is not None and stream.request.stats and not absent:
                self._post(stream, stream.tell_stats, None, self._clock())


def _timed_out(code: str, message: str) -> Refusal:
    return Refusal(code, message, Close.TIMED_OUT, retryable=True)
