"""What one server process holds: the model, its worker, the sessions, and the decision who may begin one."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from engine.bundle import Bundle, load_bundle
from engine.config import hops_per_call
from streaming.auth import Gate, KeyRing
from streaming.errors import BadMessage, Close, Refusal, draining, no_capacity
from streaming.metrics import Metrics
from streaming.rehearsal import rehearse
from streaming.resume import Shelf
from streaming.settings import Settings
from streaming.tokens import Mint
from streaming.worker import Worker

if TYPE_CHECKING:
    from streaming.attendance import Attendance
    from streaming.runner import Runner

log = logging.getLogger("winnow.streaming")

WARM_BATCH = 64
"""Batch sizes up to this one are run once before the server says it is ready."""

_LAG_EVERY_S = 0.5


def open_bundle(settings: Settings, clock: Callable[[], float] = time.perf_counter) -> Bundle:
    """The model that the settings name, warm. Takes seconds.

    Raises:
        BundleError: it cannot be used; names the field.
        EngineFault: the provider asked for does not run.
        BadInput: the model has no such mode, marks no sound, or has no hop of the length asked for.
    """
    bundle = load_bundle(
        settings.model, provider=settings.provider, threads=settings.threads, clock=clock, warm_batch=WARM_BATCH,
        mode=settings.mode, watermark=settings.watermark_message,
    )  # fmt: skip
    hops_per_call(settings.hop_ms, bundle.spec.audio)
    return bundle


class LiveServer:
    """See the module.

    Args:
        settings: read once.
        bundle: an opened model; None: opened at the start, by the settings.
        clock: monotonic seconds; the one clock of the server.
        wall_clock: seconds since 1970, by which tokens expire.
    """

    worker: Worker

    def __init__(
        self,
        settings: Settings,
        bundle: Bundle | None = None,
        clock: Callable[[], float] = time.perf_counter,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self.settings, self.clock = settings, clock
        secret = settings.token_secret
        self.gate = Gate(KeyRing(settings.api_keys), Mint(secret.get_secret_value() if secret else None, wall_clock))
        self.sessions: dict[str, Runner] = {}
        self.shelf = Shelf()
        self.metrics = Metrics(lambda: len(self.sessions))
        self.draining = False
        self.changed = asyncio.Condition()
        """Notified when a session is over."""
        self._bundle = bundle
        self._per_key: Counter[str] = Counter()
        self._ready = False
        self._lag_timer: asyncio.Task[None] | None = None
        self._notifying: asyncio.Future[None] | None = None

    # --- life -------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Open and warm the model, begin the inference thread.

        Raises:
            BundleError, EngineFault: the model cannot be used.
            BadInput: it has no hop of the length asked for.
        """
        settings = self.settings
        if self._bundle is None:
            self._bundle = await asyncio.to_thread(open_bundle, settings, self.clock)
        bundle = self._bundle
        log.info("model %s %s on %s", bundle.spec.name, bundle.spec.version, bundle.provider)
        if bundle.provider_note is not None:
            log.warning("%s", bundle.provider_note)
        rehearsed = await asyncio.to_thread(rehearse, bundle, self.clock)
        self.worker = Worker(
            bundle, asyncio.get_running_loop(), self.clock, self.metrics, settings.capacity_share,
            hops_per_call(settings.hop_ms, bundle.spec.audio), rehearsed,
        )  # fmt: skip
        self.worker.start()
        self._lag_timer = asyncio.create_task(self._measure_lag())
        self._ready = True

    async def stop(self) -> None:
        """End the inference thread; whatever session is left loses its engine."""
        self._ready = False
        if self._lag_timer is not None:
            self._lag_timer.cancel()
            await asyncio.to_thread(self.worker.stop)

    async def drain(self) -> None:
        """Refuse what is new, tell and flush what runs; returns when the last session is over or time is up."""
        if self.draining:
            return
        self.draining = True
        self.metrics.draining.set(1)
        log.info("draining: %d sessions", len(self.sessions))
        self.forget_absent()
        for runner in list(self.sessions.values()):
            runner.drain()
        try:
            async with asyncio.timeout(self.settings.drain_s), self.changed:
                await self.changed.wait_for(lambda: not self.sessions)
        except TimeoutError:
            log.warning("drained for %g s; %d sessions are cut off", self.settings.drain_s, len(self.sessions))

    def forget_absent(self) -> None:
        """Wait no longer for clients that have gone."""
        for runner in self.shelf:
            if runner.is_away:
                runner.evict()

    async def _measure_lag(self) -> None:
        while True:
            begun = self.clock()
            await asyncio.sleep(_LAG_EVERY_S)
            self.metrics.lag(max(self.clock() - begun - _LAG_EVERY_S, 0.0))

    # --- who may begin ----------------------------------------------------------------------------------------

    def welcome(self) -> None:
        """Whether anybody may come in at all.

        Raises:
            Refusal: the server is being stopped.
        """
        if self.draining:
            raise draining(Close.NO_CAPACITY, self.settings.retry_after_s)

    def admit(self, runner: Runner, model: str) -> None:
        """Take a session in.

        Raises:
            Refusal: draining, full, or too many sessions of this key.
            BadMessage: another model than the one this server runs.
        """
        self.welcome()
        settings, known = self.settings, self.worker.bundle.spec.name
        if model not in ("default", known):
            raise BadMessage("model", f"default or {known}", model)
        if len(self.sessions) >= settings.max_sessions and not self._evict(None):
            raise no_capacity(
                f"{settings.max_sessions} sessions are running: the server is full", settings.retry_after_s
            )
        if self.sessions and not self.worker.room and not self._evict(None):
            raise no_capacity("a tick takes too long: the server is full", settings.retry_after_s)
        most = settings.max_sessions_per_key
        if most is not None and runner.key and self._per_key[runner.key] >= most and not self._evict(runner.key):
            raise Refusal(
                "too_many_sessions", f"{most} sessions of this key are running", Close.TOO_MANY_SESSIONS,
                retryable=True, retry_after_s=settings.retry_after_s,
            )  # fmt: skip
        if runner.grant is not None:
            self.gate.mint.spend(runner.grant)
        self.sessions[runner.name] = runner
        self._per_key[runner.key] += 1

    def _evict(self, key: str | None) -> bool:
        """Make room by ending the session that has waited longest for its client (of one key); False if none waits."""
        waiting = self.shelf.oldest(key)
        if waiting is None:
            return False
        log.info("session %s gives way", waiting.name)
        waiting.evict()
        return True

    def release(self, runner: Attendance) -> None:
        """A session is over; one that was never admitted is fine."""
        if self.sessions.pop(runner.name, None) is None:
            return
        if runner.grant is not None and not runner.has_started:
            self.gate.mint.refund(runner.grant)
        self._per_key[runner.key] -= 1
        if not self._per_key[runner.key]:
            del self._per_key[runner.key]
        self._notifying = asyncio.ensure_future(self._notify())

    async def _notify(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    # --- what it says of itself -------------------------------------------------------------------------------

    @property
    def alive(self) -> bool:
        """Whether the inference thread runs."""
        return self._ready and self.worker.alive

    def readiness(self) -> tuple[bool, dict[str, Any]]:
        """Whether a new session would be taken, and why not: the body of `/readyz`.

        `room` is how many rows of the graph (one a target and channel) a new session may take in time (a server without
        sessions takes one all the same), and `limited_by` what comes to its end first: `max_sessions`; `rows`, those
        that run fill the tick up to its limit; or `tick`, which takes longer than its limit allows with a single row.
        The numbers behind it, in milliseconds: `tick_limit_ms`, and the 95th percentiles `tick_before_rows_ms` and
        `tick_row_ms`, of what a tick takes before its first row and for each.
        """
        if not self._ready:
            return False, {"ready": False, "reason": "starting"}
        worker, settings = self.worker, self.settings
        self.metrics.step_p95.set(worker.step_p95_s)
        reason = None
        if not worker.alive:
            reason = "the inference thread has ended"
        elif self.draining:
            reason = "draining"
        elif len(self.sessions) >= settings.max_sessions or (self.sessions and not worker.room):
            reason = "no capacity"
        bundle = worker.bundle
        before_rows_s, row_s = worker.costs_s
        body: dict[str, Any] = {
            "ready": reason is None,
            "model": bundle.spec.name,
            "model_version": bundle.spec.version,
            "provider": bundle.provider,
            "provider_note": bundle.provider_note,
            "sessions": len(self.sessions),
            "max_sessions": settings.max_sessions,
            "step_p95_ms": round(1000.0 * worker.step_p95_s, 3),
            "tick_limit_ms": round(1000.0 * worker.limit_s, 3),
            "tick_before_rows_ms": round(1000.0 * before_rows_s, 3),
            "tick_row_ms": round(1000.0 * row_s, 4),
            "room": worker.room,
            "limited_by": self._limited_by(before_rows_s + row_s),
            "load": round(worker.load, 3),
        }
        if reason is not None:
            body["reason"] = reason
        return reason is None, body

    def _limited_by(self, least_tick_s: float) -> str:
        """What a crowd of sessions would meet first; `least_tick_s`: a tick of one row."""
        worker = self.worker
        if self.settings.max_sessions - len(self.sessions) <= worker.room:
            return "max_sessions"
        return "tick" if least_tick_s > worker.limit_s else "rows"
