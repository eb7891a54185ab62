"""From the model's activity, hop by hop, to "it began" and "it stopped": live as it happens, in files looking both
ways.

Two things must agree: the model's probability that the target sounds, with hysteresis, and the level of its estimate,
which may not lie far below the target's own in the last seconds. The model hears shapes of spectra, not levels, and
goes on believing in a voice for a while when only the noise far below it is left; the level tells.

A target must sound for some hops to count as begun and be silent for longer to count as ended, so that a pause between
two words is no end. `LIVE` and `FILES` were chosen on scenes of recordings that the model was trained on
(`benchmarks/activity_rules.py`), and are judged on others (`benchmarks/activity.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d, uniform_filter1d

from engine.frames import Samples

HOP_S = 0.01
"""The hop that all counts of hops here are for; longer hops are counted as the number of these that they last."""


@dataclass(frozen=True, slots=True)
class LiveRules:
    """When it began and ended, live. Hops of 10 ms; `audible_db`: how far below its loudest a target may fall before it
    counts as silent; `forgets_db`: how fast its loudest is forgotten, a hop; `follows`: its share of the level.
    """

    begins_above: float = 0.55
    ends_below: float = 0.55
    begin_hops: int = 6
    end_hops: int = 35
    audible_db: float = 22.0
    forgets_db: float = 0.01
    follows: float = 0.6


@dataclass(frozen=True, slots=True)
class FileRules:
    """The same for files. Probabilities are averaged over `smooth_hops`, levels over `level_hops` and compared with the
    loudest of `around_hops`; what is shorter than `shortest_hops`, or less likely than `sure_above` on average, is no
    span. All probabilities asked for are lowered with the file's surest moment where that lies below `SURE`, down to
    `unsure`: of a sound unlike those trained on the model is less sure from beginning to end.
    """

    begins_above: float = 0.35
    ends_below: float = 0.3
    begin_hops: int = 8
    end_hops: int = 40
    audible_db: float = 25.0
    smooth_hops: int = 7
    level_hops: int = 7
    around_hops: int = 401
    shortest_hops: int = 20
    sure_above: float = 0.6
    unsure: float = 0.6


SURE, SURE_HOPS = 0.9, 15
LIVE, FILES = LiveRules(), FileRules()

Floats = NDArray[np.float32]


def hop_powers(samples: Samples, hops: int) -> Floats:
    """Mean square of each of `hops` equal parts of `(channels, n)`, `(hops,)`."""
    if hops == 1:  # the live case
        flat = samples.reshape(-1)
        return np.array([np.dot(flat, flat) / max(flat.size, 1)], np.float32)
    parts = samples.reshape(len(samples), hops, -1)
    sums: Floats = np.einsum("chn,chn->h", parts, parts)
    return np.asarray(sums / np.float32(max(parts.size // max(hops, 1), 1)), np.float32)


class ActivityGate:
    """One target's state, live; starts silent.

    Args:
        hop_s: seconds of a hop.
        rules: what counts as sounding.
    """

    __slots__ = (
        "_audible_above", "_begin_hops", "_begins_above", "_end_hops", "_ends_below", "_fade", "_follows", "_level",
        "_loudest", "_run", "active",
    )  # fmt: skip

    def __init__(self, hop_s: float = HOP_S, rules: LiveRules = LIVE) -> None:
        ratio = hop_s / HOP_S
        self._begins_above, self._ends_below = rules.begins_above, rules.ends_below
        self._begin_hops, self._end_hops = (max(round(n / ratio), 1) for n in (rules.begin_hops, rules.end_hops))
        self._audible_above: float = 10.0 ** (-rules.audible_db / 10.0)
        self._fade: float = 10.0 ** (-rules.forgets_db * ratio / 10.0)
        self._follows = 1.0 - (1.0 - rules.follows) ** ratio
        self.active = False
        self._run = 0
        self._level = self._loudest = 0.0

    def changes(self, probability: Floats, power: Floats) -> list[tuple[int, str]]:
        """Take `(hops,)` probabilities and powers of the estimate; the changes in them as (hop, `start` or `end`).

        The hop counts from the first of this call and is negative where the change began in an earlier one.
        """
        found = []
        for hop, (value, loud) in enumerate(zip(probability.tolist(), power.tolist(), strict=True)):
            likely = value >= (self._ends_below if self.active else self._begins_above)
            self._run = self._run + 1 if (likely and self._audible(value, loud)) != self.active else 0
            if self._run >= (self._end_hops if self.active else self._begin_hops):
                found.append((hop + 1 - self._run, "end" if self.active else "start"))
                self.active = not self.active
                self._run = 0
        return found

    def _audible(self, value: float, loud: float) -> bool:
        self._level += self._follows * (loud - self._level)
        self._loudest *= self._fade
        if value >= self._begins_above and self._level > self._loudest:
            self._loudest = self._level
        return self._level >= self._loudest * self._audible_above


@dataclass(frozen=True, slots=True)
class Sounding:
    """A stretch of a file in which a target sounds: seconds, level over full scale, mean probability."""

    start_s: float
    end_s: float
    level_db: float
    probability: float


class ActivityRecord:
    """Every hop's probability and power, by target, for `spans` at the end of a file."""

    def __init__(self) -> None:
        self.hop_s = 0.0
        self._probability: dict[str, list[Floats]] = {}
        self._power: dict[str, list[Floats]] = {}

    def add(self, name: str, probability: Floats, power: Floats, hop_s: float) -> None:
        """The next hops of a target, `(hops,)` each."""
        self.hop_s = hop_s
        self._probability.setdefault(name, []).append(probability)
        self._power.setdefault(name, []).append(power)

    def heard(self, name: str) -> tuple[Floats, Floats]:
        """Probabilities and powers `(hops,)` of a target so far."""
        return np.concatenate(self._probability[name]), np.concatenate(self._power[name])

    def spans(self, end_s: float = float("inf")) -> dict[str, tuple[Sounding, ...]]:
        """Where each target sounds, nothing beyond `end_s`."""
        found = {}
        for name in self._probability:
            inside = (one for one in self.soundings(name) if one.start_s < end_s)
            found[name] = tuple(
                Sounding(one.start_s, min(one.end_s, round(end_s, 3)), one.level_db, one.probability) for one in inside
            )
        return found

    def soundings(self, name: str) -> list[Sounding]:
        """Where a target sounded so far."""
        return find_soundings(*self.heard(name), self.hop_s)


def find_soundings(probability: Floats, power: Floats, hop_s: float, rules: FileRules = FILES) -> list[Sounding]:
    """Where a target sounds, from `(hops,)` probabilities and powers of its estimate in a whole file."""
    if not len(probability):
        return []

    def hops(count: int) -> int:
        return max(round(count * HOP_S / hop_s), 1)

    surest = float(uniform_filter1d(probability, hops(SURE_HOPS)).max())
    ease = min(max(surest, rules.unsure), SURE) / SURE
    likely = uniform_filter1d(probability, hops(rules.smooth_hops))
    sure = likely >= rules.begins_above * ease
    loudest = maximum_filter1d(np.where(sure, uniform_filter1d(power, hops(9)), 0.0), hops(rules.around_hops))
    audible = uniform_filter1d(power, hops(rules.level_hops)) >= loudest * 10.0 ** (-rules.audible_db / 10.0)
    found = []
    needed = (hops(rules.begin_hops), hops(rules.end_hops))
    for begin, end in _runs(sure & audible, (likely >= rules.ends_below * ease) & audible, *needed):
        mean = float(np.mean(probability[begin:end]))
        if end - begin >= hops(rules.shortest_hops) and mean >= rules.sure_above * ease:
            level_db = round(float(10.0 * np.log10(np.mean(power[begin:end]) + 1e-12)), 1)
            found.append(Sounding(round(begin * hop_s, 3), round(end * hop_s, 3), level_db, round(mean, 3)))
    return found


def _runs(begins: NDArray[np.bool_], stays: NDArray[np.bool_], begin_hops: int, end_hops: int) -> list[tuple[int, int]]:
    """Stretches that begin with a run of `begins` and end with a long one without `stays`; hop indices."""
    found: list[tuple[int, int]] = []
    start, run, active = 0, 0, False
    sequence: Sequence[tuple[bool, bool]] = list(zip(begins.tolist(), stays.tolist(), strict=True))
    for hop, (begin, stay) in enumerate(sequence):
        run = run + 1 if (not stay if active else begin) else 0
        if run >= (end_hops if active else begin_hops):
            if active:
                found.append((start, hop + 1 - run))
            else:
                start = hop + 1 - run
            active, run = not active, 0
    if active:
        found.append((start, len(sequence) - run))
    return found
