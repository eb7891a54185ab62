"""Turn drawn scenes into what a training step eats: spectra of mixture and target, the question, the activity.

Equaliser, low-pass and band extension act on the spectra: they are smooth or whole bins wide, and cost nothing there.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from export.models.bands import band_sums
from export.train.concepts import too_near
from export.train.corpus import MAN, SPEECH, WOMAN
from export.train.frames import BINS, Complex64, Float32, analyse
from export.train.scenes import SceneMaker, Source

Rng = np.random.Generator
BIN_HZ = 50.0
ACTIVE_DB = -35.0
"""A frame counts as active down to this far below the target's loudest frame."""


@dataclass(frozen=True, slots=True)
class Batch:
    """K questions of each of B mixtures, all float32; F is 160 bands (powers summed within each) or 480 bins.

    `own [B, T, F]` the mixture's power; `target`, `across [B, K, T, F]` the target's power and Re(X S*);
    `asked [B, K, concepts]`; `active [B, K, T]`; `hint [B, K, T, 2]`; `scored [B, 1, F]`: 1 for each band of which
    every bin could be filled by every recording.
    """

    own: Float32
    target: Float32
    across: Float32
    asked: Float32
    active: Float32
    hint: Float32
    scored: Float32


@dataclass(frozen=True, slots=True)
class _Example:
    own: Float32
    target: Float32
    across: Float32
    asked: Float32
    scored: Float32


class BatchMaker:
    """Makes batch number `k` from `(seed, k)` alone, so a resumed run hears what the unbroken one would have heard."""

    def __init__(
        self,
        scenes: SceneMaker,
        concepts: Sequence[str],
        size: int,
        seed: int,
        *,
        questions: int = 1,
        banded: bool = True,
        umbrellas: Sequence[frozenset[str]] = (),
    ) -> None:
        self._scenes = scenes
        self._concepts = list(concepts)
        self._size = size
        self._seed = seed
        self._questions = questions
        self._fold: Callable[[Float32], Float32] = band_sums if banded else _as_it_is
        self._umbrellas = umbrellas

    def make(self, number: int) -> Batch:
        """Batch `number`."""
        rng = np.random.default_rng([self._seed, number])
        examples = [self._example(rng) for _ in range(self._size)]
        target = np.stack([example.target for example in examples])
        active = activity(target)
        return Batch(
            np.stack([example.own for example in examples]),
            target,
            np.stack([example.across for example in examples]),
            np.stack([example.asked for example in examples]),
            active,
            np.stack([np.stack([_hint(row, rng) for row in rows]) for rows in active]),
            np.stack([example.scored for example in examples])[:, None, :],
        )

    def _example(self, rng: Rng) -> _Example:
        sources = self._scenes.draw(rng)
        spectra = analyse(np.stack([source.samples for source in sources]))
        spectra *= (10 ** (np.array([source.gain_db for source in sources]) / 20)).astype(np.float32)[:, None, None]
        spectra *= np.stack([_equaliser(rng) for _ in sources])[:, None, :]
        scored = 1 - np.minimum(self._fold(1 - _limit_band(spectra, sources, rng)), 1)
        mixture = spectra.sum(0)
        if rng.random() < 0.2:
            mixture = mixture + _hiss(mixture.shape, rng)
        mixture *= (scale := _level(mixture, rng))
        targets, across, asked = [], [], []
        for wanted in self._questions_of(sources, rng):
            hit = np.array([bool(wanted & set(source.concepts)) for source in sources])
            target = spectra[hit].sum(0) * scale
            targets.append(self._fold(_power(target)))
            across.append(self._fold(mixture.real * target.real + mixture.imag * target.imag))
            asked.append([concept in wanted for concept in self._concepts])
        return _Example(
            self._fold(_power(mixture)), np.stack(targets), np.stack(across), np.array(asked, np.float32), scored
        )

    def _questions_of(self, sources: Sequence[Source], rng: Rng) -> list[set[str]]:
        """As many questions as a mixture gets, other ones where four draws find other ones."""
        asked: list[set[str]] = []
        for _ in range(self._questions):
            wanted = choose_question(sources, self._concepts, rng, self._umbrellas)
            for _ in range(3):
                if wanted not in asked:
                    break
                wanted = choose_question(sources, self._concepts, rng, self._umbrellas)
            asked.append(wanted)
        return asked


def _power(spectrum: Complex64) -> Float32:
    return np.asarray(np.square(spectrum.real) + np.square(spectrum.imag), np.float32)


def _as_it_is(values: Float32) -> Float32:
    return values


def choose_question(
    sources: Sequence[Source], concepts: Sequence[str], rng: Rng, umbrellas: Sequence[frozenset[str]] = ()
) -> set[str]:
    """The concepts asked for: one that sounds (70 %), up to three (20 %), one that does not sound (10 %).

    One word in seven (of speech, one in thirty) is widened to an umbrella that holds it, such as all of "animal".
    """
    present = [concept for source in sources for concept in source.concepts]
    kind = rng.random()
    if kind < 0.1 or not present:
        labels = [source.label for source in sources]
        absent = [c for c in concepts if c not in present and not _could_hide(c, labels)]
        if not absent:
            return {concepts[0]}
        wanted = absent[int(rng.integers(len(absent)))]
        wide = _widened(wanted, umbrellas, rng)
        return wide if wide <= set(absent) else {wanted}
    named = [source for source in sources if source.concepts]
    count = 1 if kind < 0.8 else int(rng.integers(2, 4))
    if count >= len(sources) > 1 and rng.random() < 0.85:
        count = len(sources) - 1  # asking for all that sounds teaches little: keep it rare
    picked = rng.permutation(len(named))[:count]
    names = {_name_for(named[int(k)], present, rng) for k in picked}
    return _widened(names.pop(), umbrellas, rng) if len(names) == 1 else names


def _widened(concept: str, umbrellas: Sequence[frozenset[str]], rng: Rng) -> set[str]:
    """The concept, or now and then an umbrella over it."""
    over = [umbrella for umbrella in umbrellas if concept in umbrella]
    if over and rng.random() < (0.03 if concept == SPEECH else 0.14):
        return set(over[int(rng.integers(len(over)))])
    return {concept}


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


def activity(target: Float32) -> Float32:
    """1 for each frame of powers `[..., T, F]` within 35 dB of the loudest one; all 0 for silence."""
    power = np.sum(target, axis=-1)
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
    """`[480]` gains: two shelves of up to ±9 dB, two times of three."""
    if rng.random() < 1 / 3:
        return np.ones(BINS, np.float32)
    octave = np.log2(np.arange(BINS) + 0.5)
    low, high = rng.uniform(-9, 9, 2)
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


class Share:
    """What one of `size` workers hears: batches `rank`, `rank + size`, …"""

    def __init__(self, maker: BatchMaker, rank: int = 0, size: int = 1) -> None:
        self._maker, self._rank, self._size = maker, rank, size

    def make(self, number: int) -> Batch:
        """The worker's batch `number`."""
        return self._maker.make(number * self._size + self._rank)


class Twice:
    """Every batch twice, the second time `LAG` batches later, when much else was learnt: mixing is a third of a step's
    work, and the second hearing of a mixture teaches nearly as much as a new one. Still a function of the number alone.
    """

    LAG = 16

    def __init__(self, maker: BatchMaker | Share) -> None:
        self._maker = maker
        self._kept: dict[int, Batch] = {}

    def make(self, number: int) -> Batch:
        """Batch `number / 2` of the maker where `number` is even; an older one where it is odd."""
        newest = number // 2
        wanted = newest if number % 2 == 0 else max(newest - self.LAG, 0)
        if wanted not in self._kept:
            self._kept[wanted] = self._maker.make(wanted)
        batch = self._kept[wanted]
        self._kept = {index: kept for index, kept in self._kept.items() if index >= newest - self.LAG}
        return batch


def prefetch(maker: BatchMaker | Twice, first: int, depth: int = 3) -> Iterator[Batch]:
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
