"""A few ticks before the first client: how long does a tick take with one hop, and with many?

Real sessions of the engine on the inference thread, fed with noise; nothing of them is left afterwards.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from engine.batcher import Batcher
from engine.bundle import Bundle
from engine.config import SessionConfig
from engine.prompt import Target
from engine.session import Session
from streaming.encoding import encode_together

SIZES = (1, 4, 16)
_TICKS = 8

LIVE_OVER_REHEARSED = 2.0
"""A rehearsal has warm caches, the core for itself and no sockets: with 40 live sessions a tick took 110 to 140 µs a
hop where the rehearsal had said 60 to 75 (`python -m benchmarks.sessions`). Too low a guess would let in a crowd that
makes everybody late before the first live tick is measured."""


def rehearse(bundle: Bundle, clock: Callable[[], float]) -> list[tuple[int, float]]:
    """Hops and seconds that a live tick with them should take, for each of `SIZES` that the program has slots for.

    Args:
        bundle: loaded and warm, without a session.
        clock: monotonic seconds.

    Raises:
        EngineFault: the model fails.
    """
    return [
        (size, LIVE_OVER_REHEARSED * _median_tick_s(bundle, clock, size))
        for size in SIZES
        if size <= bundle.program.most_slots
    ]


def _median_tick_s(bundle: Bundle, clock: Callable[[], float], size: int) -> float:
    audio = bundle.spec.audio
    target = Target("rehearsal", bundle.vocabulary.labels[0])
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
