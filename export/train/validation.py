"""Score a separator on held-out mixtures: SI-SDR improvement, absent targets, prompts swapped."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from engine.score import si_sdr_db
from export.models.queried import QueriedSeparator
from export.train.frames import Float32, analyse, synthesise
from export.train.mixtures import Mixture

EDGE = 480
"""The first and last hop lie under one window only and are not scored."""


@dataclass(slots=True)
class Scores:
    """Per concept: improvements in dB, of what was asked for and of all the rest; how often the wrong source was nearer
    than the right one; what an absent target leaves over, in dB of the input."""

    improvement_db: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    rest_improvement_db: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    swapped: dict[str, list[bool]] = field(default_factory=lambda: defaultdict(list))
    absent_db: list[float] = field(default_factory=list)

    def mean_db(self) -> dict[str, float]:
        """Mean improvement of each concept."""
        return {concept: float(np.mean(values)) for concept, values in sorted(self.improvement_db.items())}

    def summary(self) -> dict[str, float]:
        """The few numbers for a log line."""
        means = list(self.mean_db().values())
        return {
            "mean_db": float(np.mean(means)) if means else 0.0,
            "median_db": float(np.median(means)) if means else 0.0,
            "absent_db": float(np.mean(self.absent_db)) if self.absent_db else 0.0,
            "wrong_nearer": self.wrong_nearer(self.swapped),
        }

    def wrong_nearer(self, concepts: Iterable[str]) -> float:
        """How often, over mixtures of `concepts`, the output was nearer to the other source."""
        swapped = [wrong for concept in concepts for wrong in self.swapped.get(concept, ())]
        return float(np.mean(swapped)) if swapped else 0.0


def separate(model: QueriedSeparator, samples: Float32, *concepts: str) -> Float32:
    """`[n]` samples of the concepts in `[n]` samples, by one call of the network on all frames."""
    spectrum = analyse(samples)
    heard = torch.from_numpy(spectrum)[None]
    asked = torch.zeros(1, len(model.concepts))
    asked[0, [model.concepts.index(concept) for concept in concepts]] = 1
    with torch.no_grad():
        logits, _, _ = model(heard, asked, torch.zeros(1, heard.shape[1], 2), model.initial_state(1))
    gains = torch.sigmoid(logits)[0].numpy()
    return synthesise((spectrum * gains).astype(np.complex64))


def score(
    model: QueriedSeparator, mixtures: Iterable[Mixture], *, absent: Sequence[str] = (), umbrella: Iterable[str] = ()
) -> Scores:
    """Scores over the mixtures; `absent` are concepts tried where neither source answers to them, in turn; with an
    `umbrella` all its members are asked for in place of the one concept."""
    scores, umbrella = Scores(), list(umbrella)
    for number, mixture in enumerate(mixtures):
        estimate = _inner(separate(model, mixture.samples, *(umbrella or [mixture.concept])))
        samples, target, rest = (_inner(x[: len(estimate) + 2 * EDGE])
                                 for x in (mixture.samples, mixture.target, mixture.rest))  # fmt: skip
        if not target.any():
            continue
        right = si_sdr_db(estimate, target)
        scores.improvement_db[mixture.concept].append(right - si_sdr_db(samples, target))
        if rest.any():
            gained = si_sdr_db(samples - estimate, rest) - si_sdr_db(samples, rest)
            scores.rest_improvement_db[mixture.concept].append(gained)
            scores.swapped[mixture.concept].append(si_sdr_db(estimate, rest) > right)
        if absent and number % 4 == 0:
            concept = absent[(number // 4) % len(absent)]
            if concept not in (mixture.concept, *mixture.other_concepts):
                left = _inner(separate(model, mixture.samples, concept))
                scores.absent_db.append(10 * np.log10(np.sum(left**2) / (np.sum(samples**2) + 1e-12) + 1e-12))
    return scores


def _inner(samples: Float32) -> Float32:
    return samples[EDGE:-EDGE]
