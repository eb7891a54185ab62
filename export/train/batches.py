"""Turn drawn scenes into what a training step eats: spectra of mixture and target, the question, the activity.

Equaliser, low-pass and band extension act on the spectra: they are smooth or whole bins wide, and cost nothing there.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from export.train.concepts import too_near
from export.train.corpus import MAN, SPEECH, WOMAN
from export.train.frames import BINS, Complex64, Float32, analyse
from export.train.scenes import SceneMaker, Source

Rng = np.random.Generator
BIN_HZ = 50.0
ACTIVE_DB = -45.0
"""A frame counts as active down to this far below the target's loudest frame."""


@dataclass(frozen=True, slots=True)
class Batch:
    """`mixture`, `target` complex64 `[B, T, 480]`; `asked` float32 `[B, concepts]`; `active` float32 `[B, T]`;
    `hint` float32 `[B, T, 2]`; `scored` float32 `[B, 1, 480]`: 1 for each bin that some recording could fill."""

    mixture: Complex64
    target: Complex64
    asked: Float32
    active: Float32
    hint: Float32
    scored: Float32


@dataclass(frozen=True, slots=True)
class _Example:
    mixture: Complex64
    target: Complex64
    asked: Float32
    scored: Float32


class BatchMaker:
    """Makes batch number `k` from `(seed, k)` alone, so a resumed run hears what the unbroken one would have heard."""

    def __init__(self, scenes: SceneMaker, concepts: Sequence[str], size: int, seed: int) -> None:
        self._scenes = scenes
        self._concepts = list(concepts)
        self._size = size
        self._seed = seed

    def make(self, number: int) -> Batch:
        """Batch `number`."""
        rng = np.random.default_rng([self._seed, number])
        examples = [self._example(rng) for _ in range(self._size)]
        target = np.stack([example.target for example in examples])
        active = activity(target)
        return Batch(
            np.stack([example.mixture for example in examples]),
            target,
            np.stack([example.asked for example in examples]),
            active,
            np.stack([_hint(row, rng) for row in active]),
            np.stack([example.scored for example in examples])[:, None, :],
        )

    def _example(self, rng: Rng) -> _Example:
        sources = self._scenes.draw(rng)
        wanted = choose_question(sources, self._concepts, rng)
        gains_db = rng.uniform(-10, 15, len(sources)) if rng.random() < 0.2 else rng.uniform(-5, 5, len(sources))
        spectra = analyse(np.stack([source.samples for source in sources]))
        spectra *= (10 ** (gains_db / 20)).astype(np.float32)[:, None, None]
        spectra *= np.stack([_equaliser(rng) for _ in sources])[:, None, :]
        scored = _limit_band(spectra, sources, rng)
        hit = np.array([bool(wanted & set(source.concepts)) for source in sources])
        mixture, target = spectra.sum(0), spectra[hit].sum(0)
        if rng.random() < 0.2:
            mixture = mixture + _hiss(mixture.shape, rng)
        scale = _level(mixture, rng)
        asked = np.array([concept in wanted for concept in self._concepts], np.float32)
        return _Example(mixture * scale, target * scale, asked, scored)


def choose_question(sources: Sequence[Source], concepts: Sequence[str], rng: Rng) -> set[str]:
    """The concepts asked for: one that sounds (70 %), up to three (20 %), one that does not sound (10 %)."""
    present = [concept for source in sources for concept in source.concepts]
    kind = rng.random()
    if kind < 0.1 or not present:
        labels = [source.label for source in sources]
        absent = [c for c in concepts if c not in present and not _could_hide(c, labels)]
        return {absent[int(rng.integers(len(absent)))]} if absent else {concepts[0]}
    named = [source for source in sources if source.concepts]
    count = 1 if kind < 0.8 else int(rng.integers(2, 4))
    if count >= len(sources) > 1 and rng.random() < 0.85:
        count = len(sources) - 1  # asking for all that sounds teaches little: keep it rare
    picked = rng.permutation(len(named))[:count]
    return {_name_for(named[int(k)], present, rng) for k in picked}


def _could_hide(concept: str, labels: Sequence[str]) -> bool:
    """Whether the concept may sound in one of the labels although nobody wrote it down (an unsexed voice is one)."""
    label = SPEECH if concept in (MAN, WOMAN) else concept
    if label == SPEECH and concept != SPEECH:
        return SPEECH in labels
    return any(too_near(label, other) for other in labels)


def _name_for(source: Source, present: Sequence[str], rng: Rng) -> str:
    if len(source.concepts) == 1:
        return source.concepts[0]
    two_voices = MAN in present and WOMAN in present
    return source.concepts[1] if rng.random() < (0.9 if two_voices else 0.35) else source.concepts[0]


def activity(target: Complex64) -> Float32:
    """1 for each frame of `[..., T, 480]` within 45 dB of the loudest one; all 0 for silence."""
    power = np.sum(np.square(target.real) + np.square(target.imag), axis=-1)
    loudest = power.max(axis=-1, keepdims=True)
    return np.asarray((power > 10 ** (ACTIVE_DB / 10) * loudest) & (power > 1e-8), np.float32)


def _hint(active: Float32, rng: Rng) -> Float32:
    """`[T, 2]`: nothing (70 %), else the truth, on all frames or on one stretch of them."""
    hint = np.zeros((len(active), 2), np.float32)
    if rng.random() < 0.3:
        start, stop = (0, len(active)) if rng.random() < 0.5 else sorted(rng.integers(0, len(active) + 1, 2))
        hint[start:stop, 0] = active[start:stop]
        hint[start:stop, 1] = 1 - active[start:stop]
    return hint


def _equaliser(rng: Rng) -> Float32:
    """`[480]` gains: two shelves of up to ±6 dB, half of the time."""
    if rng.random() < 0.5:
        return np.ones(BINS, np.float32)
    octave = np.log2(np.arange(BINS) + 0.5)
    low, high = rng.uniform(-6, 6, 2)
    low_at, high_at = rng.uniform(1.0, 4.5), rng.uniform(5.0, 8.0)
    gain_db = low / (1 + np.exp(2 * (octave - low_at))) + high / (1 + np.exp(2 * (high_at - octave)))
    return np.asarray(10 ** (gain_db / 20), np.float32)


def _limit_band(spectra: Complex64, sources: Sequence[Source], rng: Rng) -> Float32:
    """Cut or extend `[S, T, 480]` in place; returns `[480]`, 1 for each bin below the narrowest source's own limit.

    Recorded speech ends at 8 kHz here and other sounds do not: a network would learn "above 8 kHz is never speech".
    Half of the mixtures are cut at one common place; in half of the others speech gets a made-up upper band.
    """
    limits = [source.band_hz for source in sources]
    has_speech = any(source.label == SPEECH for source in sources)
    chance = rng.random()
    if has_speech and chance < 0.5:
        spectra[:, :, int(rng.uniform(4000, 8000) / BIN_HZ) :] = 0
    elif not has_speech and chance < 0.2:
        spectra[:, :, int(rng.uniform(4000, 20000) / BIN_HZ) :] = 0
    elif has_speech and chance < 0.8:
        for index, source in enumerate(sources):
            if source.label == SPEECH and source.band_hz <= 8000:
                _extend(spectra[index], rng)
                limits[index] = 20_000.0
    return np.asarray(np.arange(BINS) * BIN_HZ < min(limits), np.float32)


def _extend(spectrum: Complex64, rng: Rng) -> None:
    """Repeat 4–8 kHz at 8–12, 12–16 and 16–20 kHz, ever softer, in place on `[T, 480]`.

    A shift by 80 bins turns the phase by whole turns from hop to hop (80 · 480 / 960 = 40), so the windows still agree.
    """
    gain, step = 10 ** (-rng.uniform(0, 9) / 20), 10 ** (-rng.uniform(2, 9) / 20)
    upper = spectrum[:, 78:158].copy()
    for copy in range(3):
        spectrum[:, 158 + 80 * copy : 238 + 80 * copy] = upper * np.float32(gain * step**copy)


def _hiss(shape: tuple[int, ...], rng: Rng) -> Complex64:
    """Steady noise 20–50 dB below the sources, with a slope between white and brown."""
    slope = (np.arange(BINS) + 1.0) ** (-rng.uniform(0, 1))
    scale = 22 * 10 ** (-rng.uniform(20, 50) / 20) * slope / np.sqrt(np.mean(slope**2))
    noise = rng.standard_normal((*shape, 2), dtype=np.float32) * np.float32(1 / np.sqrt(2))
    return np.asarray(noise.view(np.complex64)[..., 0] * scale.astype(np.float32), np.complex64)


def _level(mixture: Complex64, rng: Rng) -> np.float32:
    """Factor that brings the mixture to -50…-10 dBFS (Parseval: a window holds 480 · mean square, bins one side)."""
    power = float(np.mean(np.sum(np.square(np.abs(mixture)), axis=-1)))
    wanted = 480 * 480 * 10 ** (rng.uniform(-50, -10) / 10)
    return np.float32(np.sqrt(wanted / (power + 1e-9)))


def prefetch(maker: BatchMaker, first: int, depth: int = 3) -> Iterator[Batch]:
    """Batches `first`, `first + 1`, … made by a thread beside the training step (numpy lets go of the interpreter)."""
    ready: queue.Queue[Batch | Exception] = queue.Queue(depth)
    stop = threading.Event()

    def fill() -> None:
        number = first
        while not stop.is_set():
            try:
                made: Batch | Exception = maker.make(number)
            except Exception as error:
                made = error  # handed over: the training loop raises it
            number += 1
            while not stop.is_set():
                try:
                    ready.put(made, timeout=0.5)
                    break
                except queue.Full:
                    continue

    threading.Thread(target=fill, daemon=True, name="mixing").start()
    try:
        while True:
            batch = ready.get()
            if isinstance(batch, Exception):
                raise batch
            yield batch
    finally:
        stop.set()
