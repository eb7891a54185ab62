"""From the model's activity, hop by hop, to "it began" and "it stopped": live as it happens, in files looking both
ways.

Two things must agree: the model's probability that the target sounds, with hysteresis, and the level of its estimate,
which may not lie far below the target's own in the last seconds. The model hears shapes of spectra, not levels, and
goes on believing in a voice for a while when only the noise far below it is left; the level tells.

A target must sound for some hops to count as begun and be silent for longer to count as ended, so that a pause between
two words is no end. The numbers were chosen on scenes of recordings that the model was trained on, at -5 to 20 dB
(`benchmarks/activity.py --side train` builds them), and are judged on others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d, uniform_filter1d

from engine.frames import Samples

BEGINS_ABOVE = 0.7
ENDS_BELOW = 0.5
BEGIN_HOPS = 8
END_HOPS = 30
AUDIBLE_DB = 25.0
"""How far below its loudest a target may fall before it counts as silent."""

FADES_DB_PER_HOP = 0.01
"""How fast its loudest is forgotten live: 1 dB a second."""

LEVEL_FOLLOWS = 0.4
"""Share of a new hop in the level that is followed live."""

FILE_BEGINS_ABOVE, FILE_BEGIN_HOPS, FILE_SMOOTH_HOPS = 0.6, 3, 5
FILE_LEVEL_HOPS, FILE_AROUND_HOPS = 3, 1001
"""For files: hops of one level, and hops around it of which the loudest counts."""

FILE_SHORTEST_HOPS, FILE_SURE_ABOVE = 10, 0.8
"""What is shorter, or where the probability is lower on average, is no span."""

_FADE: float = 10.0 ** (-FADES_DB_PER_HOP / 10.0)
_AUDIBLE: float = 10.0 ** (-AUDIBLE_DB / 10.0)

Floats = NDArray[np.float32]


def hop_powers(samples: Samples, hops: int) -> Floats:
    """Mean square of each of `hops` equal parts of `(channels, n)`, `(hops,)`."""
    if hops == 1:  # the live case
        flat = samples.reshape(-1)
        return np.array([np.dot(flat, flat) / max(flat.size, 1)], np.float32)
    parts = samples.reshape(len(samples), hops, -1)
    sums: Floats = np.einsum("chn,chn->h", parts, parts)
    return np.asarray(sums / np.float32(max(parts.size // max(hops, 1), 1)), np.float32)


HOP_S = 0.01
"""The hop that all counts of hops here are for; longer hops are counted as the number of these that they last."""


class ActivityGate:
    """One target's state, live; starts silent.

    Args:
        hop_s: seconds of a hop.
    """

    __slots__ = ("_begin_hops", "_end_hops", "_fade", "_follows", "_level", "_loudest", "_run", "active")

    def __init__(self, hop_s: float = HOP_S) -> None:
        ratio = hop_s / HOP_S
        self._begin_hops, self._end_hops = (max(round(count / ratio), 1) for count in (BEGIN_HOPS, END_HOPS))
        self._fade = _FADE**ratio
        self._follows = 1.0 - (1.0 - LEVEL_FOLLOWS) ** ratio
        self.active = False
        self._run = 0
        self._level = self._loudest = 0.0

    def changes(self, probability: Floats, power: Floats) -> list[tuple[int, str]]:
        """Take `(hops,)` probabilities and powers of the estimate; the changes in them as (hop, `start` or `end`).

        The hop counts from the first of this call and is negative where the change began in an earlier one.
        """
        found = []
        for hop, (value, loud) in enumerate(zip(probability.tolist(), power.tolist(), strict=True)):
            likely = value >= (ENDS_BELOW if self.active else BEGINS_ABOVE)
            self._run = self._run + 1 if (likely and self._audible(value, loud)) != self.active else 0
            if self._run >= (self._end_hops if self.active else self._begin_hops):
                found.append((hop + 1 - self._run, "end" if self.active else "start"))
                self.active = not self.active
                self._run = 0
        return found

    def _audible(self, value: float, loud: float) -> bool:
        self._level += self._follows * (loud - self._level)
        self._loudest *= self._fade
        if value >= BEGINS_ABOVE and self._level > self._loudest:
            self._loudest = self._level
        return self._level >= self._loudest * _AUDIBLE


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

    def spans(self, end_s: float = float("inf")) -> dict[str, tuple[Sounding, ...]]:
        """Where each target sounds, nothing beyond `end_s`."""
        found = {}
        for name, parts in self._probability.items():
            soundings = find_soundings(np.concatenate(parts), np.concatenate(self._power[name]), self.hop_s)
            inside = (one for one in soundings if one.start_s < end_s)
            found[name] = tuple(
                Sounding(one.start_s, min(one.end_s, round(end_s, 3)), one.level_db, one.probability) for one in inside
            )
        return found


def find_soundings(probability: Floats, power: Floats, hop_s: float) -> list[Sounding]:
    """Where a target sounds, from `(hops,)` probabilities and powers of its estimate in a whole file."""
    if not len(probability):
        return []

    def hops(count: int) -> int:
        return max(round(count * HOP_S / hop_s), 1)

    likely = uniform_filter1d(probability, hops(FILE_SMOOTH_HOPS))
    sure = likely >= FILE_BEGINS_ABOVE
    loudest = maximum_filter1d(np.where(sure, uniform_filter1d(power, hops(9)), 0.0), hops(FILE_AROUND_HOPS))
    audible = uniform_filter1d(power, hops(FILE_LEVEL_HOPS)) >= loudest * _AUDIBLE
    found = []
    needed = (hops(FILE_BEGIN_HOPS), hops(END_HOPS))
    for begin, end in _runs(sure & audible, (likely >= ENDS_BELOW) & audible, *needed):
        mean = float(np.mean(probability[begin:end]))
        if end - begin >= hops(FILE_SHORTEST_HOPS) and mean >= FILE_SURE_ABOVE:
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
