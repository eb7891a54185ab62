"""One inference thread per device: it owns the batcher and every engine session.

    event loop ──post──► list of calls ──one put a tick──► inference thread: calls, one step, collect
    event loop ◄──one call_soon_threadsafe a tick, all sessions── deliveries

Nothing else crosses, and nothing is locked: the engine's objects are touched by this thread alone.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from queue import Empty, SimpleQueue
from typing import Any

from engine.batcher import Batcher
from engine.bundle import Bundle
from engine.errors import NoCapacity, WinnowError
from engine.frames import Samples
from engine.session import Session
from streaming.capacity import Capacity
from streaming.encoding import Encoded, encode_together
from streaming.media import encode_pcm
from streaming.metrics import Metrics
from streaming.stream import Delivery, Stream

log = logging.getLogger("winnow.streaming.worker")

Call = tuple[Stream, Callable[[Any, float], None], Any, float]
"""Whose it is, what to call, its argument, and the clock time of arrival."""

_MEASURE_EVERY_S = 0.5

_MANY_SESSIONS = 8
_RESTS_PER_TURN = 2.0
_TURN_HOPS = 0.2
_LONGEST_WAIT_HOPS = 0.5
"""With many sessions some sound arrives every quarter of a millisecond. Were every packet read as it comes, the event
loop would push the inference thread off the core in the middle of a graph call thousands of times a second, and a tick
with its two wakes would carry a handful of hops. So from 8 sessions on the two take turns: the event loop hands over
what it has read, waits for the tick (at most half a hop), sends what came of it, and then rests while the sockets fill:
for twice as long as all that took, and so that the next turn begins within a fifth of a hop. A turn that took longer
has gathered enough. The batcher itself never waits."""


class Worker:
    """See the module.

    Args:
        bundle: the loaded, warm model.
        loop: where deliveries go.
        clock: monotonic seconds, the same everywhere in the server.
        metrics: told once a tick.
        capacity_share: no new session, and no more targets of one, where the p95 of a tick that carries a hop of
            everyone would be over this share of a hop. (The first session is taken whatever it costs, or a slow machine
            would serve nobody; more targets are not, for the session that it has would suffer.)
        hops_per_call: see `SessionConfig`, for every session.
        rehearsed: hops and seconds of ticks before the first session (`rehearsal.rehearse`).
    """

    def __init__(
        self,
        bundle: Bundle,
        loop: asyncio.AbstractEventLoop,
        clock: Callable[[], float],
        metrics: Metrics,
        capacity_share: float = 0.6,
        hops_per_call: int = 1,
        rehearsed: Sequence[tuple[int, float]] = (),
    ) -> None:
        self.bundle = bundle
        self._hops_per_call = hops_per_call
        self.step_p95_s = 0.0
        """Of the last seconds, refreshed twice a second; any thread may read it."""
        self.load = 0.0
        self._loop, self._clock, self._metrics = loop, clock, metrics
        self._capacity = Capacity(capacity_share * hops_per_call * bundle.spec.audio.hop_s)
        self._capacity.rehearsed(rehearsed)
        self.room = self._capacity.most_rows // hops_per_call
        """Rows that may be added; refreshed twice a second and when targets change. Any thread may read it."""
        self._turn_s = _TURN_HOPS * hops_per_call * bundle.spec.audio.hop_s
        self._longest_wait_s = _LONGEST_WAIT_HOPS * hops_per_call * bundle.spec.audio.hop_s
        self._turn_began_s = clock()
        self._gathered: list[Call] = []
        self._handing_over = False
        self._inbox: SimpleQueue[list[Call] | None] = SimpleQueue()
        self._answers: SimpleQueue[list[Delivery]] = SimpleQueue()
        self._batcher = Batcher(bundle.program, clock)
        self._streams: dict[Session, Stream] = {}
        self._measured_s = self._tick_began_s = clock()
        self._thread = threading.Thread(target=self._run, name="winnow-inference", daemon=True)

    # --- the event loop's side --------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread after what was posted; returns once it has ended. Blocks: call it off the loop."""
        self._inbox.put(None)
        self._thread.join()

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    @property
    def limit_s(self) -> float:
        """How long the 95th percentile of a tick may become that carries a call of everyone."""
        return self._capacity.limit_s

    @property
    def costs_s(self) -> tuple[float, float]:
        """Of that: what a tick takes before its first row, and for each row (a call of all its hops)."""
        before_s, hop_s = self._capacity.costs_s
        return before_s, self._hops_per_call * hop_s

    def post(self, stream: Stream, call: Callable[[Any, float], None], argument: Any, now_s: float) -> None:
        """Have `call(argument, now_s)` made on the inference thread; in the order of posting."""
        self._gathered.append((stream, call, argument, now_s))
        if not self._handing_over:
            self._handing_over = True
            self._turn_began_s = now_s
            # At the end of this turn of the loop, when every socket that was readable has been read.
            self._loop.call_soon(self._hand_over)

    def _hand_over(self) -> None:
        self._handing_over = False
        gathered, self._gathered = self._gathered, []
        self._inbox.put(gathered)
        if len(self._streams) >= _MANY_SESSIONS:
            self._take_turns()

    def _take_turns(self) -> None:
        """Wait for the tick, send what came of it, rest: see `_MANY_SESSIONS`."""
        try:
            deliveries = self._answers.get(timeout=self._longest_wait_s)
        except Empty:
            return
        self._deliver(deliveries)
        self._deliver_all()
        took_s = self._clock() - self._turn_began_s
        rest_s = min(_RESTS_PER_TURN * took_s, self._turn_s - took_s)
        if rest_s > 0:
            time.sleep(rest_s)

    def open(self, stream: Stream, now_s: float) -> None:
        """Post the opening of a stream."""
        self.post(stream, self._open_call(stream), None, now_s)

    def close(self, stream: Stream, now_s: float) -> None:
        """Post the end of a stream, whatever it is doing."""
        self.post(stream, self._close_call(stream), None, now_s)

    def change(self, stream: Stream, change: Callable[[Any, float], None], argument: Any, now_s: float) -> None:
        """Post a change of a stream's targets, which takes room or gives it back."""

        def changed(argument: Any, now_s: float) -> None:
            change(argument, now_s)
            self.room = self._room()

        self.post(stream, changed, argument, now_s)

    def _deliver_all(self) -> None:
        while not self._answers.empty():
            self._deliver(self._answers.get())

    def _deliver(self, deliveries: list[Delivery]) -> None:
        for delivery in deliveries:
            try:
                delivery.stream.deliver(delivery)
            except Exception:
                log.exception("delivery to session %s failed", delivery.stream.name)

    # --- the inference thread ---------------------------------------------------------------------------------

    def _open_call(self, stream: Stream) -> Callable[[Any, float], None]:
        def opened(_: object, now_s: float) -> None:
            if self._streams and stream.graph_rows > self._room():
                tick_s = self._capacity.tick_s(self._hops_per_call * (self._rows() + stream.graph_rows))
                reason = (
                    f"a tick would take {1000 * tick_s:.1f} ms, over {1000 * self.limit_s:.1f} ms: the server is full"
                )
                raise NoCapacity(reason)
            session = stream.open(self.bundle, self._hops_per_call, self._room)
            self._streams[session] = stream
            self._batcher.add(session)

        return opened

    def _rows(self) -> int:
        return sum(session.graph_rows for session in self._streams)

    def _room(self) -> int:
        return max(self._capacity.most_rows // self._hops_per_call - self._rows(), 0)

    def _close_call(self, stream: Stream) -> Callable[[Any, float], None]:
        def closed(_: object, now_s: float) -> None:
            self._forget(stream)

        return closed

    def _forget(self, stream: Stream) -> None:
        if stream.session is not None:
            self._batcher.discard(stream.session)
            self._streams.pop(stream.session, None)
            self.room = self._room()  # no tick tells it once nobody is left
        stream.close()

    def _run(self) -> None:
        going = True
        touched: dict[Stream, None] = {}
        while going:
            try:
                going = self._take_calls(touched)
                self._tick(touched)
            except Exception as error:
                # A tick that breaks leaves no state to be trusted: every session is told, the server lives on.
                log.exception("the inference thread failed")
                self._fail_all(error)
            touched.clear()
        for stream in list(self._streams.values()):
            self._forget(stream)

    def _take_calls(self, touched: dict[Stream, None]) -> bool:
        """Make the calls that were posted; sleep for them where nothing else is to do. False at the end."""
        inbox = self._inbox
        wait = not self._batcher.pending
        while wait or not inbox.empty():
            wait = False
            calls = inbox.get()
            if calls is None:
                return False
            if not touched:
                self._tick_began_s = self._clock()
            for stream, call, argument, now_s in calls:
                self._make(stream, call, argument, now_s)
                touched[stream] = None
        return True

    def _make(self, stream: Stream, call: Callable[[Any, float], None], argument: Any, now_s: float) -> None:
        try:
            call(argument, now_s)
        except WinnowError as error:
            stream.fail(error)
        except Exception as error:
            log.exception("session %s failed", stream.name)
            stream.fail(error)
        else:
            if stream.session is not None:
                self._batcher.ready(stream.session)

    def _tick(self, touched: dict[Stream, None]) -> None:
        began_s = self._clock()
        stepped = self._batcher.step()
        took_s = self._clock() - began_s
        for session in stepped:
            stream = self._streams.get(session)
            if stream is not None:
                touched[stream] = None
        now_s = self._clock()
        deliveries = []
        for stream, payloads in self._encoded([stream for stream in touched if not stream.over]):
            try:
                delivery = stream.collect(payloads, now_s)
            except Exception as error:
                # One session's fault is its own: the others' deliveries of this tick go out.
                log.exception("session %s failed", stream.name)
                stream.fail(error)
                delivery = Delivery(stream, made_s=now_s, refusal=stream.refusal)
                self._forget(stream)
            if delivery is not None:
                deliveries.append(delivery)
                if stream.over:
                    self._forget(stream)
        if stepped:
            self._metrics.tick(self._batcher.batch_size, took_s, touched)
        self._answer(deliveries)
        if self._batcher.step_hops:
            took_s = self._clock() - self._tick_began_s + self._batcher.earlier_s
            self._capacity.note(self._batcher.step_hops, took_s)
        self._tick_began_s = self._clock()
        if now_s - self._measured_s >= _MEASURE_EVERY_S:
            self._measured_s = now_s
            self.step_p95_s, self.load = self._batcher.step_p95_s, self._batcher.load
            self._capacity.fit()
            self.room = self._room()

    def _encoded(self, streams: list[Stream]) -> Iterator[tuple[Stream, list[Encoded]]]:
        """The streams with their pieces as bytes; those that speak s16 are encoded together."""
        taken = [(stream, stream.take()) for stream in streams]
        alike: dict[int, list[Samples]] = {}
        for stream, pieces in taken:
            if stream.encoding == "pcm_s16le":
                alike.setdefault(stream.channels, []).extend(piece.samples for piece in pieces)
        s16 = {channels: iter(encode_together(samples)) for channels, samples in alike.items()}
        for stream, pieces in taken:
            if stream.encoding == "pcm_s16le":
                yield stream, list(islice(s16[stream.channels], len(pieces)))
            else:
                yield stream, [encode_pcm(piece.samples, stream.encoding) for piece in pieces]

    def _fail_all(self, error: Exception) -> None:
        deliveries = []
        now_s = self._clock()
        for stream in list(self._streams.values()):
            stream.fail(error)
            self._forget(stream)
            delivery = Delivery(stream, made_s=now_s)
            delivery.refusal = stream.refusal
            deliveries.append(delivery)
        self._answer(deliveries)

    def _answer(self, deliveries: list[Delivery]) -> None:
        # Even where there is nothing to deliver: the event loop may be waiting for this tick.
        self._answers.put(deliveries)
        self._loop.call_soon_threadsafe(self._deliver_all)
