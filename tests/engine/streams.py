"""Sounds, chunkings and a hand-cranked session for the engine's tests."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from engine.batcher import Batcher
from engine.bundle import Bundle
from engine.config import SessionConfig
from engine.frames import Piece, Samples
from engine.prompt import Target
from engine.session import Session

SPEECH = Target("speech", "speech")


class ManualClock:
    """A clock that moves only when told."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def noise(count: int, channels: int = 1, seed: int = 0) -> Samples:
    """`(channels, count)` white noise at -20 dBFS."""
    return (np.random.default_rng(seed).standard_normal((channels, count)) * 0.1).astype(np.float32)


def smooth_noise(count: int, channels: int = 1, seed: int = 0) -> Samples:
    """Noise without its upper half of the band, so that resampling there and back changes nothing audible."""
    kernel = np.sinc(0.35 * np.arange(-120, 121)) * np.hanning(241) * 0.35
    rough = noise(count + 240, channels, seed)
    return np.stack([np.convolve(row, kernel, "valid") for row in rough]).astype(np.float32)


def chunks(count: int, rule: str, seed: int = 1) -> list[tuple[int, int]]:
    """Borders that cut `count` samples: `whole`, `hop`, `single` (uneven little ones) or `random`."""
    if rule == "whole":
        return [(0, count)]
    random = np.random.default_rng(seed)
    cut = [0]
    while cut[-1] < count:
        step = {"hop": 480, "single": int(random.integers(1, 40)), "random": int(random.integers(1, 3000))}[rule]
        cut.append(min(cut[-1] + step, count))
    return list(pairwise(cut))


class Crank:
    """A session and its batcher, turned by hand."""

    def __init__(self, bundle: Bundle, config: SessionConfig) -> None:
        self.clock = ManualClock()
        self.session = Session(bundle, config)
        self.batcher = Batcher(bundle.program, self.clock)
        self.batcher.add(self.session)
        self.pieces: list[Piece] = []

    def feed(self, samples: Samples, pts: int | None = None) -> list[Piece]:
        """Push one chunk and run all that is ready; the pieces that came of it."""
        self.session.feed_audio(samples, self.clock(), pts)
        return self.turn()

    def flush(self, last: bool = True) -> list[Piece]:
        """Flush and run to the end."""
        self.session.flush(self.clock(), last)
        return self.turn()

    def turn(self) -> list[Piece]:
        """Run the batcher until nothing is ready."""
        self.batcher.ready(self.session)
        while self.batcher.pending:
            self.batcher.step()
        pieces = self.session.take()
        self.pieces += pieces
        return pieces

    def track(self, index: int) -> Samples:
        """All of a track so far, checked to be gapless from its first piece on."""
        parts = [piece for piece in self.pieces if piece.track == index]
        for before, after in pairwise(parts):
            assert after.pts == before.pts + before.samples.shape[1]
        return np.concatenate([piece.samples for piece in parts], axis=1)
