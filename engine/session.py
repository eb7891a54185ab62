"""One listener: targets, one audio stream in, pieces of several tracks out. It lives on the inference thread.

    feed_audio(samples, now) → a batcher runs what is ready → take() the pieces; update / remove / flush in between.

The residual is the input minus what was taken, formed at the output rate: with one target `input − target` (before
that target's gain), with several the input minus one more slot that listens for the union of the prompts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from engine.activity import ActivityGate
from engine.bundle import Bundle
from engine.config import Counters, Latency, Notice, SessionConfig, Track, check_config
from engine.errors import BadInput, EngineFault
from engine.frames import Activity, Piece, Result, Samples, Work
from engine.meter import Meter
from engine.plan import TAKEN, crossfaded
from engine.prompt import ConceptSet, Target
from engine.resample import converted_count, resampling_delay
from engine.segment import Segment
from engine.separator import HintOf, Stretch
from engine.targets import Targets
from engine.timeline import Timeline

LOUDEST = np.float32(1e4)
"""A sample 80 dB over full scale is no sound; further up, products of it overflow, and would take others with them."""

LATE_AFTER_HOPS = 1.0
"""A hop that comes out more than this many hops after it was due counts as late (contract, section 2)."""


@dataclass(slots=True)
class _Fed:
    """A chunk in the queue; with `restart_at` a new timeline begins with it, at that input pts."""

    samples: Samples
    now_s: float
    restart_at: int | None = None


@dataclass(slots=True)
class _End:
    """A flush in the queue."""

    now_s: float
    last: bool


class Session:
    """See the module.

    Args:
        bundle: the loaded model.
        config: what to do.

    Raises:
        BadInput: a value of the config; names the field.
        UnknownPrompt: no known word in a target's prompt.
        NoCapacity: no free slot.
    """

    def __init__(self, bundle: Bundle, config: SessionConfig) -> None:
        check_config(config)
        self._bundle, self.config = bundle, config
        self._audio = bundle.spec.audio
        self._output_rate = config.output_rate or config.sample_rate
        self.meter, self.counters = Meter(), Counters()
        self.failed: EngineFault | None = None
        self._timeline = Timeline(config.sample_rate)
        self._pieces: list[Piece] = []
        self._events: list[Activity | Notice] = []
        self._queue: deque[_Fed | _End] = deque()
        self._fed_s = 0.0
        self._closed = False
        self._targets = Targets(bundle, config.targets, config.residual)
        self._gates = {name: ActivityGate() for name in self._targets.plan.lanes}
        self._segment = self._new_segment(0, discontinuity=False)
        self._caution(config.targets)

    # --- what it is -------------------------------------------------------------------------------------------

    @property
    def tracks(self) -> tuple[Track, ...]:
        """The tracks as they will be once every update has taken effect, by index."""
        return self._targets.tracks

    @property
    def targets(self) -> tuple[Target, ...]:
        """The targets as last updated."""
        return self._targets.all

    @property
    def understood(self) -> dict[str, ConceptSet]:
        """What each target's prompt was taken to mean."""
        return {name: lane.concepts for name, lane in self._targets.newest.lanes.items()}

    @property
    def latency(self) -> Latency:
        """See `Latency`."""
        rate, audio = self.config.sample_rate, self._audio
        inward = resampling_delay(rate, audio.sample_rate)
        outward_s = resampling_delay(audio.sample_rate, self._output_rate) / audio.sample_rate
        resampling_s = inward / rate + outward_s
        samples = -(-audio.latency * rate // audio.sample_rate) + inward + int(np.ceil(outward_s * rate))
        return Latency(
            round(1000.0 * (audio.latency_s + resampling_s), 3), samples, audio.window, audio.hop, audio.lookahead,
            audio.crossfade, audio.sample_rate, round(1000.0 * resampling_s, 3),
        )  # fmt: skip

    @property
    def idle(self) -> bool:
        """Nothing that a batcher could still work on."""
        return self._closed or self.failed is not None or not self._segment.separator.ready

    @property
    def due_s(self) -> float:
        """Clock time at which the next hop was due."""
        return self._segment.separator.due_s

    # --- input ------------------------------------------------------------------------------------------------

    def feed_audio(self, samples: Samples, now_s: float, pts: int | None = None) -> None:
        """Take `(channels, n)` float32 at the input rate that arrived at clock time `now_s`.

        Args:
            samples: any n; values that are not finite, or 80 dB over full scale, become silence and are counted.
            now_s: clock time of arrival.
            pts: index of the first sample; None: right after the last. A gap of up to 2 s is filled with silence, a
                longer one restarts the tracks; what overlaps the past is dropped and counted.

        Raises:
            BadInput: wrong shape or type.
        """
        if samples.ndim != 2 or samples.shape[0] != self.config.channels or samples.dtype != np.float32:
            expected = f"float32 of shape ({self.config.channels}, n)"
            raise BadInput("samples", expected, f"{samples.dtype} {samples.shape}")
        if not samples.shape[1]:
            return
        # NaN compares false, so one look at both ends finds everything that is not an ordinary number.
        if not (samples.max() < LOUDEST and samples.min() > -LOUDEST):
            samples = self._finite(samples)
        self._fed_s = now_s
        place = self._timeline.place(pts, samples.shape[1])
        if place.skip:
            self.counters.overlapped_samples += place.skip
            self._tell_once("late_audio", "samples that were heard before came again; they were dropped")
            samples = samples[:, place.skip :]
        if place.fill:
            self.counters.filled_samples += place.fill
            self._push(_Fed(np.zeros((self.config.channels, place.fill), np.float32), now_s))
        self._push(_Fed(samples, now_s, pts if place.restart else None))

    def _finite(self, samples: Samples) -> Samples:
        wrong = ~(np.abs(samples) < LOUDEST)
        self.counters.nonfinite_samples += int(wrong.sum())
        self._tell_once("nonfinite_samples", "NaN or infinite samples were replaced by silence")
        return np.where(wrong, np.float32(0.0), samples)

    def _push(self, fed: _Fed) -> None:
        if not fed.samples.shape[1]:
            return
        if self._queue or self._segment.limit is not None or fed.restart_at is not None:
            self._queue.append(fed)
            self._pump()
        else:
            self._segment.push(fed.samples, fed.now_s)

    def flush(self, now_s: float | None = None, last: bool = False) -> None:
        """Give out what is buffered, down to the last sample; what is fed later goes on after it.

        Args:
            now_s: clock time, for the hops that become due by it; None: the time of the last feed.
            last: nothing will be fed any more; the last piece of each track says so.
        """
        self._queue.append(_End(self._fed_s if now_s is None else now_s, last))
        self._pump()

    def _pump(self) -> None:
        """Take from the queue until a segment has first to give out what it holds."""
        while self._queue:
            segment = self._segment
            if segment.limit is not None:
                if segment.last or not segment.done:
                    return
                self._segment = self._new_segment(segment.start + segment.received, discontinuity=False)
                continue
            item = self._queue[0]
            if isinstance(item, _End):
                segment.finish(item.now_s, item.last)
            elif item.restart_at is not None and segment.received:
                segment.finish(item.now_s, last=False)
                continue
            else:
                if item.restart_at is not None:
                    self._restart(item.restart_at)
                self._segment.push(item.samples, item.now_s)
            self._queue.popleft()

    def _restart(self, pts: int) -> None:
        for slot in self._targets.plan.slots:
            self._bundle.program.reset(slot)
        self._segment = self._new_segment(pts, discontinuity=self._segment.start > 0)

    def _new_segment(self, start: int, discontinuity: bool) -> Segment:
        config, targets = self.config, self._targets
        segment = Segment(
            self._audio, config.channels, config.sample_rate, self._output_rate, start, targets.plan.slots,
            self._hints(start), config.live, config.residual, discontinuity,
        )  # fmt: skip
        for name in targets.indices:
            if name == TAKEN:
                segment.open_outlet(name, 1.0)
            elif name in targets.plan.lanes:
                segment.open_outlet(name, _gain(targets.plan.lanes[name].target))
        if targets.coming is not None:
            self._prepare(segment)
        return segment

    def _prepare(self, segment: Segment) -> None:
        """Let the coming plan's new slots hear the past, from a state that has heard nothing."""
        for slot in self._targets.arriving:
            self._bundle.program.reset(slot)
        segment.separator.prepare(self._targets.arriving)

    def _hints(self, start: int) -> HintOf | None:
        return self._targets.hints(start / self.config.sample_rate, self._audio.hop, self._audio.sample_rate)

    # --- targets ----------------------------------------------------------------------------------------------

    def update(self, targets: tuple[Target, ...]) -> int:
        """Replace or add targets by id; crossfaded over one hop, new ones have heard the last second.

        Returns:
            pts (output rate) from which it holds.

        Raises:
            BadInput, UnknownPrompt, NoCapacity: as the constructor; the session is then unchanged.
        """
        merged = {target.id: target for target in (*self.targets, *targets)}
        pts = self._change(tuple(merged.values()))
        self._caution(targets)
        return pts

    def remove(self, ids: tuple[str, ...]) -> int:
        """End targets; their tracks fade out over one hop and their indices are not used again.

        Returns:
            pts (output rate) from which it holds.

        Raises:
            BadInput: an id that is not there, or no target would be left.
        """
        for name in ids:
            if name not in self._targets.newest.lanes:
                raise BadInput("targets", f"one of {sorted(self._targets.newest.lanes)}", name)
        rest = tuple(target for target in self.targets if target.id not in ids)
        if not rest:
            raise BadInput("targets", "at least one target left (end the session to stop all)", list(ids))
        return self._change(rest)

    def _change(self, targets: tuple[Target, ...]) -> int:
        if self._closed:
            raise EngineFault("the session is closed")
        check_config(replace(self.config, targets=targets))
        self._targets.change(targets)
        self._gates = {name: self._gates.get(name) or ActivityGate() for name in self._targets.indices if name != TAKEN}
        segment = self._segment
        segment.separator.hint_of = self._hints(segment.start)
        self._prepare(segment)
        position = converted_count(segment.separator.position, self._audio.sample_rate, self._output_rate)
        return segment.base + (position if segment.limit is None else min(position, segment.limit))

    # --- the batcher's side -----------------------------------------------------------------------------------

    def next_work(self, most_hops: int) -> Work | None:
        """The next work, or None."""
        return None if self._closed or self.failed else self._segment.separator.next_work(most_hops)

    def accept(self, result: Result, began_s: float, clock: Callable[[], float]) -> bool:
        """Take the result of a work of this session that a step begun at `began_s` gave; True if pieces came of it."""
        stitching = clock()
        stretch = self._segment.separator.accept(result)
        if stretch is None:
            return False
        pieces = self._emit(stretch)
        now = clock()
        stitch_s = result.stitch_s + now - stitching
        queue_s = max(began_s - stretch.due_s, 0.0)
        if pieces:
            latency_s = max(now - stretch.due_s, 0.0)
            self.counters.hops += result.work.hops
            if latency_s > LATE_AFTER_HOPS * self._audio.hop_s:
                self.counters.late_hops += result.work.hops
            self.meter.record(latency_s, queue_s, result.model_s, stitch_s)
        stages = (queue_s, result.model_s, stitch_s)
        for piece in pieces:
            piece.stages = stages
        self._pieces += pieces
        if self._queue:
            self._pump()
        return bool(pieces)

    def _emit(self, stretch: Stretch, passed: bool = False) -> list[Piece]:
        """Pieces of a stretch; with `passed` every target is the input itself."""
        plan = self._targets.plan
        coming = self._targets.coming if stretch.joined else None
        heard = None
        if passed or plan.hears_input or (coming is not None and coming.hears_input):
            heard = self._segment.separator.heard(stretch.pts, stretch.pts + stretch.count)
        if passed and heard is not None:
            signals = {name: heard.copy() for name in self._targets.indices}
        elif coming is None:
            signals = plan.signals(stretch.outputs, heard)
        else:
            signals = plan.signals(stretch.outputs, heard)
            signals = crossfaded(signals, coming.signals(stretch.outputs, heard))
        gone = self._settle(stretch) if coming is not None else []
        self._notice_activity(stretch)
        pieces = self._segment.emit(stretch, signals, self._targets.indices)
        for name in gone:
            index = self._targets.retire(name)
            del self._gates[name]
            self._segment.close_outlet(name)
            for piece in pieces:
                piece.last = piece.last or piece.track == index
        return pieces

    def _settle(self, stretch: Stretch) -> list[str]:
        """The joint hop has run: the coming plan is the present one. Returns the targets that ended."""
        past = self._targets.settle()
        plan = self._targets.plan
        self._segment.separator.settle(plan.slots)
        for name, lane in plan.lanes.items():
            if name in past.lanes:
                self._segment.set_gain(name, _gain(lane.target))
            else:
                self._segment.open_outlet(name, _gain(lane.target), stretch.pts)
        return [name for name in past.lanes if name not in plan.lanes]

    def _notice_activity(self, stretch: Stretch) -> None:
        for name, lane in self._targets.plan.lanes.items():
            if lane.slot is None or lane.concepts.inverted or lane.slot not in stretch.active:
                continue
            gate = self._gates[name]
            for hop, state in gate.changes(stretch.active[lane.slot]):
                at = converted_count(stretch.pts + hop * self._audio.hop, self._audio.sample_rate, self._output_rate)
                level = _level_db(stretch.outputs[lane.slot])
                self._events.append(Activity(name, state, self._segment.base + at, level))

    def fail(self, work: Work, fault: EngineFault) -> bool:
        """A step failed with this session's work in it; True if pieces (the input, passed through) came of it."""
        self.counters.failed_hops += work.hops
        if self.config.on_failure == "close":
            self.failed = fault
            return False
        self._tell_once("engine_failed_passing", f"the engine failed ({fault}); the input is passed through")
        for slot in work.slots:
            self._bundle.program.reset(slot)
        outputs = np.zeros((len(work.slots), len(work.window), work.hops * self._audio.hop), np.float32)
        active = np.zeros((len(work.slots), work.hops), np.float32)
        stretch = self._segment.separator.accept(Result(work, outputs, active, 0.0, 0.0))
        if stretch is None:
            return False
        self._pieces += self._emit(stretch, passed=True)
        if self._queue:
            self._pump()
        return True

    # --- output -----------------------------------------------------------------------------------------------

    def take(self) -> list[Piece]:
        """The pieces finished since the last call."""
        pieces, self._pieces = self._pieces, []
        return pieces

    def take_events(self) -> list[Activity | Notice]:
        """Activity and notices since the last call."""
        events, self._events = self._events, []
        return events

    @property
    def finished(self) -> bool:
        """After `flush(last=True)`: everything is out."""
        return self._segment.last and self._segment.done and not self._queue

    def close(self) -> None:
        """Give the slots back; may be called twice."""
        if not self._closed:
            self._closed = True
            self._targets.close()

    def _caution(self, targets: tuple[Target, ...]) -> None:
        understood = self.understood
        cautions = {target.id: self._bundle.vocabulary.caution(understood[target.id]) for target in targets}
        told = "; ".join(f"target {name!r}: {caution}" for name, caution in cautions.items() if caution)
        if told:
            self._events.append(Notice("experimental_concept", told))

    def _tell_once(self, code: str, message: str) -> None:
        if not any(isinstance(event, Notice) and event.code == code for event in self._events):
            self._events.append(Notice(code, message))


def _gain(target: Target) -> float:
    return float(10.0 ** (target.gain_db / 20.0))


def _level_db(samples: Samples) -> float:
    power = float(np.mean(np.square(samples))) if samples.size else 0.0
    return round(10.0 * float(np.log10(power + 1e-12)), 1)
