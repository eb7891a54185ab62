"""Draw training examples: which sources sound, what is asked of them, how the recording chain treats them. Decisions
alone, a function of a seed: `export.train.mixing` makes the spectra.

Equaliser, low-pass and band extension act on the spectra: they are smooth or whole bins wide, and cost nothing there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from export.train.concepts import too_near
from export.train.corpus import MAN, SPEECH, WOMAN
from export.train.frames import BINS, HOP, Float32
from export.train.scenes import SceneMaker, Source

Rng = np.random.Generator
_OCTAVES = np.log2(np.arange(BINS) + 0.5)
BIN_HZ = 50.0


@dataclass(frozen=True, slots=True)
class Extension:
    """A made-up upper band of source `row`: 4–8 kHz repeated at 8–12, 12–16 and 16–20 kHz, times `gains`."""

    row: int
    gains: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Hint:
    """The truth of activity is told from frame `begin` to `end`."""

    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Example:
    """One mixture of S sources and K questions of it.

    `gains [S, 480]` of each source's bins; `filled [480]`: 1 for each bin that every recording could fill; `hiss [480]`
    its spectrum, if there is any; `level_db` of the mixture over full scale; `asked [K]` concepts; `hits [K, S]`: which
    sources answer; `hints [K]`; `seed` of what is drawn where the spectra are made.
    """

    sources: tuple[Source, ...]
    gains: Float32
    extensions: tuple[Extension, ...]
    filled: Float32
    hiss: Float32 | None
    level_db: float
    asked: tuple[frozenset[str], ...]
    hits: tuple[tuple[bool, ...], ...]
    hints: tuple[Hint | None, ...]
    seed: int


class ExampleMaker:
    """Draws examples with a number of questions each."""

    def __init__(
        self, scenes: SceneMaker, concepts: Sequence[str], questions: int, umbrellas: Sequence[frozenset[str]] = ()
    ) -> None:
        self.scenes = scenes
        self.concepts = list(concepts)
        self.questions = questions
        self._umbrellas = umbrellas

    @property
    def frames(self) -> int:
        """Frames of an example."""
        return self.scenes.length // HOP - 1

    def draw(self, rng: Rng) -> Example:
        """The next one."""
        sources = tuple(self.scenes.draw(rng))
        gains = np.stack([_equaliser(source, rng) for source in sources])
        gains *= (10 ** (np.array([source.gain_db for source in sources]) / 20)).astype(np.float32)[:, None]
        extensions, filled = _limit_band(gains, sources, rng)
        asked = self._questions_of(sources, rng)
        return Example(
            sources=sources,
            gains=gains,
            extensions=extensions,
            filled=filled,
            hiss=_hiss(rng) if rng.random() < 0.2 else None,
            level_db=rng.uniform(-50, -10),
            asked=asked,
            hits=tuple(tuple(bool(wanted & set(source.concepts)) for source in sources) for wanted in asked),
            hints=tuple(_hint(self.frames, rng) for _ in asked),
            seed=int(rng.integers(1 << 62)),
        )

    def _questions_of(self, sources: Sequence[Source], rng: Rng) -> tuple[frozenset[str], ...]:
        """As many questions as a mixture gets, other ones where four draws find other ones."""
        asked: list[frozenset[str]] = []
        for _ in range(self.questions):
            for _ in range(4):
                wanted = frozenset(choose_question(sources, self.concepts, rng, self._umbrellas))
                if wanted not in asked:
                    break
            asked.append(wanted)
        return tuple(asked)


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


def _hint(frames: int, rng: Rng) -> Hint | None:
    """Nothing (70 %), else the truth, on all frames or on one stretch of them."""
    if rng.random() >= 0.3:
        return None
    begin, end = (0, frames) if rng.random() < 0.5 else sorted(map(int, rng.integers(0, frames + 1, 2)))
    return Hint(begin, end)


def _equaliser(source: Source, rng: Rng) -> Float32:
    """`[480]` gains, flat one time of three: two shelves of up to ±9 dB, and for sounds a crooked line on top.

    The line is straight over octaves between three to six points of -6 to 6 dB: FilterAugment, linear kind (Nam et al.
    2022). Voices are many and do without; of most sounds there are few recordings, each through one microphone.
    """
    if rng.random() < 1 / 3:
        return np.ones(BINS, np.float32)
    low, high = rng.uniform(-9, 9, 2)
    low_at, high_at = rng.uniform(1.0, 4.5), rng.uniform(5.0, 8.0)
    gain_db = low / (1 + np.exp(2 * (_OCTAVES - low_at))) + high / (1 + np.exp(2 * (high_at - _OCTAVES)))
    if source.label != SPEECH:
        turns = np.sort(rng.uniform(_OCTAVES[0], _OCTAVES[-1], int(rng.integers(3, 7))))
        gain_db += np.interp(_OCTAVES, turns, rng.uniform(-6, 6, len(turns)))
    return np.asarray(10 ** (gain_db / 20), np.float32)


def _limit_band(gains: Float32, sources: Sequence[Source], rng: Rng) -> tuple[tuple[Extension, ...], Float32]:
    """Cut `gains [S, 480]` in place or extend sources; and `[480]`, 1 for each bin below the narrowest one's own limit.

    Recorded speech ends at 8 kHz here and other sounds do not: a network would learn "above 8 kHz is never speech".
    Half of the mixtures are cut at one common place; in half of the others speech gets a made-up upper band.
    """
    limits = [source.band_hz for source in sources]
    has_speech = any(source.label == SPEECH for source in sources)
    extensions = []
    chance = rng.random()
    if has_speech and chance < 0.5:
        gains[:, int(rng.uniform(4000, 8000) / BIN_HZ) :] = 0
    elif not has_speech and chance < 0.2:
        gains[:, int(rng.uniform(4000, 20000) / BIN_HZ) :] = 0
    elif has_speech and chance < 0.8:
        for row, source in enumerate(sources):
            if source.label == SPEECH and source.band_hz <= 8000:
                first, step = 10 ** (-rng.uniform(0, 9) / 20), 10 ** (-rng.uniform(2, 9) / 20)
                extensions.append(Extension(row, (first, first * step, first * step**2)))
                limits[row] = 20_000.0
    return tuple(extensions), np.asarray(np.arange(BINS) * BIN_HZ < min(limits), np.float32)


def _hiss(rng: Rng) -> Float32:
    """`[480]` magnitudes of a steady noise 20–50 dB below the sources, with a slope between white and brown."""
    slope = (np.arange(BINS) + 1.0) ** (-rng.uniform(0, 1))
    return np.asarray(22 * 10 ** (-rng.uniform(20, 50) / 20) * slope / np.sqrt(np.mean(slope**2)), np.float32)
