"""One session's half on the inference thread: bytes → samples → engine → pieces → ready-made messages.

Everything here runs on the worker's thread and nowhere else. The other half is `runner.Runner`, on the event loop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.bundle import Bundle
from engine.config import Counters, Notice, SessionConfig
from engine.errors import CallerError, NoCapacity
from engine.frames import Activity, Piece
from engine.prompt import Target
from engine.session import Session
from streaming.announcements import ended, resumed, started, stats, updated
from streaming.encoding import Encoded
from streaming.errors import Refusal, refusal_of
from streaming.media import PcmDecoder
from streaming.protocol import (
    FLAG_DISCONTINUITY,
    FLAG_LAST,
    HEADER_BYTES,
    SessionRequest,
    check_input,
    pack_header,
    unpack_header,
)

WARN_EVERY_S = 1.0
_REPORT_OVER_S = 0.2
"""Input taken in without anything coming of it is reported to the event loop once it is this long."""


@dataclass(slots=True)
class Hop:
    """One outgoing binary message: samples `[begin, end)` of a track at the output rate."""

    track: int
    begin: int
    end: int
    sequence: int
    message: bytes

    def emptied(self) -> Hop:
        """The last of a track without its samples: what is left of it to say."""
        header = pack_header(self.track, FLAG_LAST, self.sequence, self.end)
        return Hop(self.track, self.end, self.end, self.sequence, header)


@dataclass(slots=True)
class Delivery:
    """What one tick has for one session.

    Attributes:
        stream: whose it is.
        hops: in order.
        texts: JSON messages, to be sent before the hops.
        taken_bytes: input bytes that the engine has taken since the last delivery.
        backlog_s: sound the engine holds and could already work on.
        made_s: clock time of the end of the tick.
        refusal: the session is over; nothing follows.
        done: everything asked for by `end` is out; nothing follows.
    """

    stream: Stream
    hops: list[Hop] = field(default_factory=list)
    texts: list[dict[str, Any]] = field(default_factory=list)
    taken_bytes: int = 0
    backlog_s: float = 0.0
    made_s: float = 0.0
    refusal: Refusal | None = None
    done: bool = False


class Stream:
    """See the module.

    Args:
        name: id of the session, for `started`.
        request: what the client asked for.
        deliver: called on the event loop with every delivery.
        retry_after_s: what is told where there is no room, for the session or for an update.
    """

    def __init__(
        self, name: str, request: SessionRequest, deliver: Callable[[Delivery], None], retry_after_s: float = 5.0
    ) -> None:
        self.name, self.request, self.deliver = name, request, deliver
        self._retry_after_s = retry_after_s
        self._room: Callable[[], int | None] = lambda: None
        self.session: Session | None = None
        self.encoding, self.channels = request.audio.encoding, request.audio.channels
        self.rows: list[tuple[float, float, float]] = []
        """Stages of the hops since the worker last looked, for the metrics."""
        self.hops_shown = self.late_hops_shown = 0
        """What the metrics have counted already."""
        self._decoder = PcmDecoder(request.audio.encoding, request.audio.channels)
        self._raw = request.mode == "raw"
        self._frame_bytes = request.audio.frame_bytes
        self._rate = request.audio.sample_rate
        self._sequence: dict[int, int] = {}
        self._position: dict[int, int] = {}
        self._begun = False
        self._in_end = 0
        self._out_end_s = 0.0
        self._texts: list[dict[str, Any]] = []
        self._pieces: list[Piece] = []
        self._taken_bytes = 0
        self._report_bytes = _REPORT_OVER_S * self._rate * self._frame_bytes
        self._refusal: Refusal | None = None
        self._over = self._ending = False
        self._warned: dict[str, float] = {}
        self.received = 0
        """Samples received, at the input rate."""
        self.sent = 0
        """Samples given out on one track, at the output rate."""

    @property
    def graph_rows(self) -> int:
        """Rows of the graph that its session will take: one a channel for each target, and for the union of several."""
        targets = len(self.request.targets)
        return self.channels * (targets + (self.request.residual and targets > 1))

    # --- life -------------------------------------------------------------------------------------------------

    def open(self, bundle: Bundle, hops_per_call: int = 1, room: Callable[[], int | None] | None = None) -> Session:
        """Make the engine's session.

        Args:
            bundle: the loaded model.
            hops_per_call: see `SessionConfig`.
            room: asked at each update how many rows of the graph it may add; None: as many as there are slots for.

        Raises:
            BadInput, UnknownPrompt, NoCapacity: as `Session`.
        """
        request = self.request
        self._room = room or self._room
        config = SessionConfig(
            sample_rate=self._rate,
            channels=request.audio.channels,
            targets=request.targets,
            residual=request.residual,
            output_rate=request.output_rate,
            on_failure=request.on_failure,
            hops_per_call=hops_per_call,
        )
        session = self.session = Session(bundle, config)
        self._learn_tracks(session)
        self._texts.append(started(bundle.spec.name, request, session, self._sequence))
        return session

    def fail(self, error: BaseException) -> None:
        """The session is over because of `error`."""
        if self._refusal is None:
            self._refusal = refusal_of(error, self._retry_after_s)

    def close(self) -> None:
        """Give everything back; may be called twice."""
        self._over = True
        if self.session is not None:
            self.session.close()

    @property
    def refusal(self) -> Refusal | None:
        """Why it is over, where something went wrong."""
        return self._refusal

    @property
    def over(self) -> bool:
        """Whether nothing more is to be expected of this stream."""
        return self._over

    # --- what the client says ---------------------------------------------------------------------------------

    def feed(self, message: bytes, now_s: float) -> None:
        """A binary message that arrived at `now_s`.

        Raises:
            Refusal: its header or length is wrong.
        """
        session = self.session
        self._taken_bytes += len(message)
        if session is None or self._ending or self._over:
            return
        pts: int | None = None
        if not self._raw:
            header = unpack_header(message)
            check_input(header, len(message) - HEADER_BYTES, self._frame_bytes)
            pts = header.pts
            message = message[HEADER_BYTES:]
        samples = self._decoder.decode(message)
        count = samples.shape[1]
        if not count:
            return
        self._mark_input(pts, count)
        session.feed_audio(samples, now_s, pts)

    def _mark_input(self, pts: int | None, count: int) -> None:
        if not self._begun:
            self._begun = True
            self._out_end_s = (pts or 0) / self._rate
        # What was heard before may come again.
        self._in_end = self._in_end + count if pts is None else max(self._in_end, pts + count)
        self.received += count

    def update(self, targets: tuple[Target, ...], now_s: float) -> None:
        """Replace or add targets; what is refused, or has no room, is told, and the session goes on unchanged."""
        self._change(lambda session: session.update(targets, self._room()))

    def remove(self, ids: tuple[str, ...], now_s: float) -> None:
        """End targets, as `update`."""
        self._change(lambda session: session.remove(ids))

    def _change(self, change: Callable[[Session], int]) -> None:
        session = self.session
        if session is None or self._ending:
            return
        try:
            pts = change(session)
        except (CallerError, NoCapacity) as error:
            self._texts.append(refusal_of(error, self._retry_after_s).wire(closes=False))
            return
        self._learn_tracks(session)
        self._texts.append(updated(pts, session, self._sequence))

    def flush(self, _: object, now_s: float) -> None:
        """Give out what is buffered."""
        if self.session is not None and not self._ending:
            self.session.flush(now_s)

    def end(self, _: object, now_s: float) -> None:
        """Nothing more comes."""
        if self.session is not None and not self._ending:
            self._ending = True
            if self._decoder.pending:
                self._warn("odd_bytes", "the last bytes were less than a sample and were dropped", now_s)
            self.session.flush(now_s, last=True)

    def tell_expected(self, attempt: int, now_s: float) -> None:
        """Answer a client that has come back; `attempt` says which answer it is."""
        if self.session is not None and not self._over:
            self._texts.append({**self.resumed(), "attempt": attempt})

    def resumed(self) -> dict[str, Any]:
        """The `resumed` message of this moment, but for the session's name."""
        assert self.session is not None, "a session that was started"
        return resumed(self._in_end, self.session, self._sequence)

    def tell_stats(self, _: object, now_s: float) -> None:
        """Work out a `stats` message of the time since the last one."""
        session = self.session
        if session is None or self._over:
            return
        self._texts.append(stats(session))
        session.meter.reset()

    # --- what goes back ---------------------------------------------------------------------------------------

    def take(self) -> list[Piece]:
        """The pieces of the last tick that are to be sent; `collect` packs them."""
        session = self.session
        if session is not None:
            # In raw mode an empty last piece would be an empty message, which says nothing there.
            self._pieces = [
                piece
                for piece in session.take()
                if piece.track in self._sequence and (piece.samples.shape[1] or not self._raw)
            ]
        return self._pieces

    def collect(self, payloads: Sequence[Encoded], now_s: float) -> Delivery | None:
        """What has come of the last tick, or None where that is nothing worth a wake.

        Args:
            payloads: the pieces of `take`, encoded.
            now_s: clock time of the end of the tick.
        """
        session = self.session
        delivery = Delivery(self, made_s=now_s)
        if session is not None:
            if self._pieces:
                delivery.hops = self._hops(payloads, now_s)
            for event in session.take_events():
                self._tell(event, now_s)
            if session.failed is not None:
                self.fail(session.failed)
            if not session.idle:
                delivery.backlog_s = max(self._in_end / self._rate - self._out_end_s, 0.0)
            delivery.done = self._ending and session.finished
        if delivery.done:
            delivery.hops += self._last_words()
        delivery.texts, self._texts = self._texts, []
        delivery.refusal = self._refusal
        if delivery.refusal is not None or delivery.done:
            self._over = True
        elif not delivery.hops and not delivery.texts and self._taken_bytes < self._report_bytes:
            return None
        delivery.taken_bytes, self._taken_bytes = self._taken_bytes, 0
        return delivery

    def _hops(self, payloads: Sequence[Encoded], now_s: float) -> list[Hop]:
        hops = []
        pieces, self._pieces = self._pieces, []
        for piece, (payload, clipped) in zip(pieces, payloads, strict=True):
            track = piece.track
            begin, count = piece.pts, piece.samples.shape[1]
            sequence = self._sequence[track]
            if clipped:
                self._warn("clipped", "samples over full scale were clipped; lower gain_db", now_s)
            if self._raw:
                message = payload
            else:
                flags = piece.last * FLAG_LAST | piece.discontinuity * FLAG_DISCONTINUITY
                message = pack_header(track, flags, sequence, begin) + payload
            self._sequence[track] = sequence + 1
            if piece.last:
                self._position.pop(track, None)
            else:
                self._position[track] = begin + count
            hops.append(Hop(track, begin, begin + count, sequence, message))
        if hops:
            self._out_end_s = hops[-1].end / self.request.output_rate
            self._count(pieces, hops[0].track)
        return hops

    def _count(self, pieces: Iterable[Piece], track: int) -> None:
        for piece in pieces:
            if piece.track == track:
                self.sent += piece.samples.shape[1]
                if piece.stages is not None:
                    self.rows.append(piece.stages)

    def _last_words(self) -> list[Hop]:
        """An empty last message for each track whose last piece had gone before the client said `end`."""
        if self._raw:
            return []
        hops = []
        for track, pts in sorted(self._position.items()):
            sequence = self._sequence[track]
            hops.append(Hop(track, pts, pts, sequence, pack_header(track, FLAG_LAST, sequence, pts)))
        self._position.clear()
        return hops

    def totals(self) -> dict[str, Any]:
        """The `ended` message, but for what the outbox dropped."""
        counters = self.session.counters if self.session is not None else Counters()
        return ended(counters, self.received, self.sent, self._rate)

    def _tell(self, event: Activity | Notice, now_s: float) -> None:
        if isinstance(event, Notice):
            self._warn(event.code, event.message, now_s)
            return
        self._texts.append({
            "type": "activity",
            "target": event.target,
            "state": event.state,
            "at": event.at,
            "level_db": event.level_db,
        })  # fmt: skip

    def _warn(self, code: str, message: str, now_s: float) -> None:
        # What goes wrong once goes wrong every 10 ms: one word a second is enough.
        if now_s - self._warned.get(code, -WARN_EVERY_S) >= WARN_EVERY_S:
            self._warned[code] = now_s
            self._texts.append({"type": "warning", "code": code, "message": message})

    def _learn_tracks(self, session: Session) -> None:
        for track in session.tracks:
            wanted = self.request.residual if track.target is None else self.request.target
            if wanted and track.index not in self._sequence:
                self._sequence[track.index] = 0
                self._position[track.index] = 0
