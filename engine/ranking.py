"""Which of several separations of the same sound is best, by the judge of a `flow_audio` bundle.

A generative model makes another separation of every noise it begins with (`Target.seed`). They are judged while they
are made, stretch by stretch, so that a sound of any length takes no more memory than a stretch; its score is the mean
of the stretches' scores, each by its length.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from engine.bundle import Bundle
from engine.concepts import ConceptSet
from engine.errors import BadInput
from engine.frames import Samples
from engine.programs.flow_audio import FlowProgram
from engine.programs.flow_judge import Judge, Scores
from engine.resample import StreamResampler

Floats = NDArray[np.float32]

FIELD = "reranking_candidates"
MOST_CANDIDATES = 8

JUDGED_S = 10.0
"""Seconds that are judged at once. What is left at the end is half as long to half as long again, unless the whole
sound is shorter: a score of a few frames says little."""


def check_candidates(bundle: Bundle, candidates: int) -> None:
    """Refuse a number of candidates that the model cannot make or nobody can rank. One needs no judge.

    Raises:
        BadInput: field `reranking_candidates`.
    """
    if not 1 <= candidates <= MOST_CANDIDATES:
        raise BadInput(FIELD, f"a number from 1 to {MOST_CANDIDATES}", candidates)
    if candidates > 1:
        judge_of(bundle)


def judge_of(bundle: Bundle) -> Judge:
    """The judge of a bundle.

    Raises:
        BadInput: field `reranking_candidates`: the model makes one separation only, or its bundle has no judge.
    """
    if not isinstance(bundle.program, FlowProgram):
        raise BadInput(FIELD, "1: only a generative model (program flow_audio) makes several", bundle.spec.name)
    if bundle.program.judge is None:
        raise BadInput(FIELD, "a bundle with a judge (winnow export sam-audio --judge FOLDER)", bundle.spec.name)
    return bundle.program.judge


@dataclass(slots=True)
class Ranking:
    """The candidates of one target so far, in the order of their seeds."""

    scores: list[Scores] = field(default_factory=list)

    @property
    def best(self) -> int:
        """Number of the one with the best overall score; the first of equals."""
        overall = [score.overall for score in self.scores]
        return overall.index(max(overall))


class Trial:
    """One candidate of one target before the judge, fed as it is made.

    Args:
        bundle: with a judge.
        concepts: what the target was understood as; for "everything but X" the judge is asked how well X was found.
        rate: Hz of what is fed.

    Raises:
        BadInput: field `reranking_candidates`: no judge, or there are no words that it could read.
    """

    def __init__(self, bundle: Bundle, concepts: ConceptSet, rate: int) -> None:
        self._judge = judge_of(bundle)
        self._phrase = phrase_of(bundle, concepts)
        self._inverted = concepts.inverted
        own_rate = bundle.spec.audio.sample_rate
        self._resampler = None if rate == own_rate else StreamResampler(2, rate, own_rate)
        self._stretch = int(JUDGED_S * own_rate)
        self._waiting = (np.zeros(0, np.float32), np.zeros(0, np.float32))
        self._held = np.zeros((2, 0), np.float32)
        self._sum, self._judged = np.zeros(len(Scores._fields)), 0

    def feed(self, mix: Samples | None = None, separated: Samples | None = None) -> None:
        """The next samples `(channels, n)` of one or both; they need not be of one length.

        Raises:
            EngineFault: the judge failed.
        """
        parts = zip(self._waiting, (mix, separated), strict=True)
        heard, found = (old if new is None else np.concatenate([old, new.mean(axis=0)]) for old, new in parts)
        count = min(len(heard), len(found))
        self._waiting = (heard[count:], found[count:])
        pair = np.stack([heard[:count], found[:count]])
        if self._inverted:
            pair[1] = pair[0] - pair[1]
        self._held = np.concatenate([self._held, pair if self._resampler is None else self._resampler.push(pair)], 1)
        while self._held.shape[1] >= self._stretch + self._stretch // 2:
            self._ask(self._stretch)

    def verdict(self) -> Scores:
        """Of everything that was fed; nothing may follow.

        Raises:
            EngineFault: the judge failed.
        """
        if self._held.shape[1]:
            self._ask(self._held.shape[1])
        mean = self._sum / max(self._judged, 1)
        return Scores(*(float(score) for score in mean))

    def _ask(self, count: int) -> None:
        mix, separated = self._held[:, :count]
        self._sum += count * np.array(self._judge.scores(self._phrase, mix, separated))
        self._judged += count
        self._held = self._held[:, count:]


def phrase_of(bundle: Bundle, concepts: ConceptSet) -> str:
    """What the judge reads for a target.

    Raises:
        BadInput: field `reranking_candidates`: a visual prompt without words.
    """
    phrase = bundle.vocabulary.condition(concepts)
    if not isinstance(phrase, str) or not phrase:
        raise BadInput(FIELD, "words beside the pictures, for the judge to read", "a visual prompt alone")
    return phrase
