"""When each target of a session began and stopped to sound, as events: the model's activity, and what spans say."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from engine.activity import ActivityGate, ActivityRecord, hop_powers
from engine.frames import Activity, Samples
from engine.plan import Lane, Plan
from engine.resample import converted_count
from engine.separator import Stretch
from engine.spans import NOTHING_KNOWN, OFF, ON, Moments
from engine.spec import AudioSpec

_NO_SOUND = np.zeros(0, np.float32)


class ActivityEvents:
    """One gate for each target, and a new one where its words change: what it knew of the old ones (that they sounded,
    how loud they were) says nothing of the new.

    Args:
        audio: lengths of the model.
        output_rate: Hz, at which events are placed.
        record: keeps every hop of every target, for files.
    """

    def __init__(self, audio: AudioSpec, output_rate: int, record: ActivityRecord | None = None) -> None:
        # A hop of latent frames is told frame by frame.
        self._record, self._hop_s = record, audio.grain / audio.sample_rate
        self._hop, self._model_rate, self._output_rate = audio.grain, audio.sample_rate, output_rate
        self._gates: dict[str, ActivityGate] = {}
        self._lanes: dict[str, Lane] = {}
        """What each gate has watched so far."""

    def follow(self, names: Iterable[str]) -> None:
        """Watch the targets `names`; those watched before keep their state."""
        self._gates = {name: self._gates.get(name) or ActivityGate(self._hop_s) for name in names}
        self._lanes = {name: lane for name, lane in self._lanes.items() if name in self._gates}

    def of(self, plan: Plan, stretch: Stretch, base: int, moments: Moments | None) -> list[Activity]:
        """What changed in a stretch of a segment that begins at output pts `base`."""
        found: list[Activity] = []
        if not stretch.count:
            return found
        hops = stretch.count // self._hop
        for name, lane in plan.lanes.items():
            found += self._old_words_end(name, lane, stretch, base)
            # "Everything but speech" has no activity of its own: the model tells of the speech.
            if lane.slot is None or lane.concepts.inverted or lane.slot not in stretch.active:
                continue
            # Before sample 0 there may be a hop of lead-in, which the stretch itself leaves out.
            probability = _informed(stretch.active[lane.slot][-hops:], lane, moments)
            power = hop_powers(stretch.outputs[lane.slot], hops)
            if self._record is not None:
                self._record.add(name, probability, power, self._hop_s)
            for hop, state in self._gates[name].changes(probability, power):
                at = self._placed(stretch.pts + hop * self._hop, base)
                found.append(Activity(name, state, at, _level_db(stretch.outputs[lane.slot])))
        return found

    def _old_words_end(self, name: str, lane: Lane, stretch: Stretch, base: int) -> list[Activity]:
        """Begin anew where the target was of other words before, and end what sounded of them."""
        past, self._lanes[name] = self._lanes.get(name), lane
        if past is lane or past is None or _words(past) == _words(lane):
            return []
        gate, self._gates[name] = self._gates[name], ActivityGate(self._hop_s)
        if not gate.active:
            return []
        left = _NO_SOUND if past.slot is None else stretch.outputs.get(past.slot, _NO_SOUND)
        return [Activity(name, "end", self._placed(stretch.pts, base), _level_db(left))]

    def _placed(self, pts: int, base: int) -> int:
        """Output pts of a model pts."""
        return base + converted_count(max(pts, 0), self._model_rate, self._output_rate)


def _words(lane: Lane) -> tuple[tuple[str, ...], bool]:
    return lane.concepts.labels, lane.concepts.inverted


def _informed(probability: NDArray[np.float32], lane: Lane, moments: Moments | None) -> NDArray[np.float32]:
    """The model's probabilities, certain where a span says what is."""
    if moments is None or lane.known is NOTHING_KNOWN:
        return probability
    said = np.array(moments.values(lane.known))
    return np.where(said == ON, 1.0, np.where(said == OFF, 0.0, probability)).astype(np.float32)


def _level_db(samples: Samples) -> float:
    power = float(np.mean(np.square(samples))) if samples.size else 0.0
    return round(10.0 * float(np.log10(power + 1e-12)), 1)
