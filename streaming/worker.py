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
from collections.abc import Callable, Iterator
from itertools import islice
from queue import SimpleQueue
from typing import Any

from engine.batcher import Batcher
from engine.bundle import Bundle
from engine.errors import NoCapacity, WinnowError
from engine.frames import Samples
from engine.session import Session
from streaming.encoding import Encoded, encode_together
from streaming.media import encode_pcm
from streaming.metrics import Metrics
from streaming.stream import Delivery, Stream

log = logging.getLogger("winnow.streaming.worker")

Call = tuple[Stream, Callable[[Any, float], None], Any, float]
"""Whose it is, what to call, its argument, and the clock time of arrival."""

_MEASURE_EVERY_S = 0.5

_MANY_SESSIONS = 8
_TICKS_PER_HOP = 12
_RESTS_PER_STEP = 2.0
_LONGEST_REST_HOPS = 0.25
"""With many sessions, hops come in faster than a tick is worth: a tick and its two wakes cost some 150 µs whatever they
carry, a graph call with cold caches half a millisecond, and the event loop needs the core too. So from 8 sessions on
the thread rests after a tick: until a twelfth of a hop has passed since it began, and for twice as long as it took, at
most a quarter of a hop. With 40 sessions of the embedded model on one core, six runs of 8 s in turn on a machine whose
speed varies: 0, 3, 12 and 25 late hops of 32,000 with a rest that grows with the tick, 365 and 368 without. The
batcher itself never waits."""


class Worker:
    """See the module.

    Args:
        bundle: the loaded, warm model.
        loop: where deliveries go.
        clock: monotonic seconds, the same everywhere in the server.
        metrics: told once a tick.
        capacity_share: no new session once the p95 of a step is over this share of a hop.
        retry_after_s: what a refused session is told.
    """

    def __init__(
        self,
        bundle: Bundle,
        loop: asyncio.AbstractEventLoop,
        clock: Callable[[], float],
        metrics: Metrics,
        capacity_share: float = 0.6,
        retry_after_s: float = 5.0,
    ) -> None:
        self.bundle = bundle
        self.step_p95_s = 0.0
        """Of the last seconds, refreshed twice a second; any thread may read it."""
        self.load = 0.0
        self._loop, self._clock, self._metrics = loop, clock, metrics
        self._limit_s = capacity_share * bundle.spec.audio.hop_s
        self._retry_after_s = retry_after_s
        self._longest_rest_s = _LONGEST_REST_HOPS * bundle.spec.audio.hop_s
        self._spacing_s = bundle.spec.audio.hop_s / _TICKS_PER_HOP
        self._gathered: list[Call] = []
        self._handing_over = False
        self._inbox: SimpleQueue[list[Call] | None] = SimpleQueue()
        self._batcher = Batcher(bundle.program, clock)
        self._streams: dict[Session, Stream] = {}
        self._measured_s = clock()
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
    def full(self) -> bool:
        """Whether a new session would be refused by measured capacity."""
        return bool(self._streams) and self.step_p95_s > self._limit_s

    def post(self, stream: Stream, call: Callable[[Any, float], None], argument: Any, now_s: float) -> None:
        """Have `call(argument, now_s)` made on the inference thread; in the order of posting."""
        self._gathered.append((stream, call, argument, now_s))
        if not self._handing_over:
            self._handing_over = True
            # At the end of this turn of the loop, when every socket that was readable has been read.
            self._loop.call_soon(self._hand_over)

    def _hand_over(self) -> None:
        self._handing_over = False
        gathered, self._gathered = self._gathered, []
        self._inbox.put(gathered)

    def open(self, stream: Stream, now_s: float) -> None:
        """Post the opening of a stream."""
        self.post(stream, self._open_call(stream), None, now_s)

    def close(self, stream: Stream, now_s: float) -> None:
        """Post the end of a stream, whatever it is doing."""
        self.post(stream, self._close_call(stream), None, now_s)

    def _deliver(self, deliveries: list[Delivery]) -> None:
        for delivery in deliveries:
            try:
                delivery.stream.deliver(delivery)
            except Exception:
                log.exception("delivery to session %s failed", delivery.stream.name)

    # --- the inference thread ---------------------------------------------------------------------------------

    def _open_call(self, stream: Stream) -> Callable[[Any, float], None]:
        def opened(_: object, now_s: float) -> None:
            if self._streams and (p95_s := self._batcher.step_p95_s) > self._limit_s:
                reason = f"a step takes {1000 * p95_s:.1f} ms, over {1000 * self._limit_s:.1f} ms: the server is full"
                raise NoCapacity(reason, self._retry_after_s)
            session = stream.open(self.bundle)
            self._streams[session] = stream
            self._batcher.add(session)

        return opened

    def _close_call(self, stream: Stream) -> Callable[[Any, float], None]:
        def closed(_: object, now_s: float) -> None:
            self._forget(stream)

        return closed

    def _forget(self, stream: Stream) -> None:
        if stream.session is not None:
            self._batcher.discard(stream.session)
            self._streams.pop(stream.session, None)
        stream.close()

    def _run(self) -> None:
        going = True
        touched: dict[Stream, None] = {}
        while going:
            try:
                going = self._take_calls(touched)
                began_s = self._clock()
                self._tick(touched)
                self._pace(began_s)
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
            for stream, call, argument, now_s in calls:
                self._make(stream, call, argument, now_s)
                touched[stream] = None
        return True

    def _pace(self, began_s: float) -> None:
        """Rest before the next tick, where there are many sessions and nothing is left to do."""
        if len(self._streams) < _MANY_SESSIONS or self._batcher.pending:
            return
        took_s = self._clock() - began_s
        rest_s = min(_RESTS_PER_STEP * took_s, self._longest_rest_s)
        time.sleep(max(self._spacing_s - took_s, rest_s))

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
        if deliveries:
            self._loop.call_soon_threadsafe(self._deliver, deliveries)
        if now_s - self._measured_s >= _MEASURE_EVERY_S:
            self._measured_s = now_s
            self.step_p95_s, self.load = self._batcher.step_p95_s, self._batcher.load

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
        self._loop.call_soon_threadsafe(self._deliver, deliveries)
