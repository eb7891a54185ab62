"""A few ticks before the first client: how long does a tick take with one hop, and with many?

Real sessions of the engine on the inference thread, fed with noise; nothing of them is left afterwards.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from engine.batcher import Batcher
from engine.bundle import Bundle
from engine.config import SessionConfig
from engine.frames import Work
from engine.prompt import Target
from engine.session import Session
from streaming.encoding import encode_together

SIZES = (1, 4, 16)
_TICKS = 8
WINDOW_SIZES = (1, 4)

LIVE_OVER_REHEARSED = 2.0
"""A rehearsal has warm caches, the core for itself and no sockets: with 40 live sessions a tick took 110 to 140 µs a
hop where the rehearsal had said 60 to 75 (`python -m benchmarks.sessions`). Too low a guess would let in a crowd that
makes everybody late before the first live tick is measured."""

WINDOWS_OVER_REHEARSED = 1.25
"""The same for a model of windows: nearly all of its time is the graphs' own, and that is the same live."""


def rehearse(bundle: Bundle, clock: Callable[[], float]) -> list[tuple[int, float]]:
    """Hops and seconds that a live tick with them should take, for each of `SIZES` that the program has slots for.

    Args:
        bundle: loaded and warm, without a session.
        clock: monotonic seconds.

    Raises:
        EngineFault: the model fails.
    """
    if bundle.spec.audio.frame is not None:
        return [(size, WINDOWS_OVER_REHEARSED * _window_s(bundle, clock, size)) for size in WINDOW_SIZES]
    return [
        (size, LIVE_OVER_REHEARSED * _median_tick_s(bundle, clock, size))
        for size in SIZES
        if size <= bundle.program.most_slots
    ]


def _window_s(bundle: Bundle, clock: Callable[[], float], size: int) -> float:
    """Seconds that a hop of `size` streams takes in full windows: the second one, when nothing is done for the first
    time."""
    audio, program = bundle.spec.audio, bundle.program
    noise = 0.1 * np.random.default_rng(0).standard_normal((1, audio.window + audio.hop), dtype=np.float32)
    slots = [program.open_slot() for _ in range(size)]
    took_s = 0.0
    try:
        for slot in slots:
            program.condition(slot, bundle.vocabulary.example)
        for begin in (0, audio.hop):
            began_s = clock()
            window = noise[:, begin : begin + audio.window]
            for _ in program.step([Work((slot,), audio.history + begin, window, 1, (0,)) for slot in slots]):
                pass
            took_s = clock() - began_s
    finally:
        for slot in slots:
            program.close_slot(slot)
    return took_s


def _median_tick_s(bundle: Bundle, clock: Callable[[], float], size: int) -> float:
    audio = bundle.spec.audio
    target = Target("rehearsal", bundle.vocabulary.example)
    batcher = Batcher(bundle.program, clock)
    sessions = [Session(bundle, SessionConfig(audio.sample_rate, 1, (target,))) for _ in range(size)]
    for session in sessions:
        batcher.add(session)
    rng = np.random.default_rng(0)
    took_s = []
    try:
        for _ in range(_TICKS):
            noise = 0.1 * rng.standard_normal((size, 1, audio.hop), dtype=np.float32)
            began_s = clock()
            for session, samples in zip(sessions, noise, strict=True):
                session.feed_audio(samples, began_s)
                batcher.ready(session)
            while batcher.pending:
                batcher.step()
            encode_together([piece.samples for session in sessions for piece in session.take()])
            took_s.append(clock() - began_s)
            for session in sessions:
                if session.failed is not None:
                    raise session.failed
    finally:
        for session in sessions:
            session.close()
    return float(np.median(took_s))
