"""One listener: targets, one audio stream in, pieces of several tracks out. It lives on the inference thread.

    feed_audio(samples, now) → a batcher runs what is ready → take() the pieces; update / remove / flush in between.

The residual is the input minus what was taken, formed at the output rate: with one target `input − target` (before
that target's gain), with several the input minus one more slot that listens for the union of the prompts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from engine.activity import ActivityRecord
from engine.activity_events import ActivityEvents
from engine.bundle import Bundle
from engine.concepts import ConceptSet
from engine.config import Counters, Latency, Notice, SessionConfig, Track, check_config, latency_of
from engine.errors import BadInput, EngineFault
from engine.frames import Activity, Piece, Result, Samples, Work
from engine.intake import checked, ordinary
from engine.meter import Meter
from engine.plan import TAKEN, crossfaded
from engine.prompt import Target
from engine.resample import converted_count
from engine.segment import Segment
from engine.separator import HintOf, Stretch
from engine.spans import Moments
from engine.succession import Succession
from engine.targets import Targets
from engine.timeline import Timeline
from engine.vocabulary import Vocabulary

LATE_AFTER_HOPS = 1.0
"""A hop that comes out more than this many hops after it was due counts as late (contract, section 2)."""


class Session:
    """See the module.

    Args:
        bundle: the loaded model.
        config: what to do.
        record: keeps the activity of every hop, for who wants to look at all of it at the end.

    Raises:
        BadInput: a value of the config; names the field.
        UnknownPrompt: no known word in a target's prompt.
        NoCapacity: no free slot.
    """

    def __init__(self, bundle: Bundle, config: SessionConfig, record: ActivityRecord | None = None) -> None:
        check_config(config)
        self._bundle, self.config = bundle, config
        self._audio = bundle.spec.audio
        self._output_rate = config.output_rate or config.sample_rate
        self.meter, self.counters = Meter(), Counters()
        self.failed: EngineFault | None = None
        self._timeline = Timeline(config.sample_rate)
        self._pieces: list[Piece] = []
        self._events: list[Activity | Notice] = []
        self._fed_s = 0.0
        self._late_s = LATE_AFTER_HOPS * config.hops_per_call * self._audio.hop_s
        self._closed = self._parted = False
        self._targets = Targets(bundle, config.targets, config.residual)
        self._activity = ActivityEvents(self._audio, self._output_rate, record)
        self._activity.follow(self._targets.plan.lanes)
        self._segments = Succession(self._new_segment, self._forget)
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
    def vocabulary(self) -> Vocabulary:
        """The words of its model, and how well it answers to each."""
        return self._bundle.vocabulary

    @property
    def graph_rows(self) -> int:
        """Rows of the graph that each of its hops takes: one a slot and channel."""
        return self.config.channels * len(self._targets.newest.slots)

    @property
    def understood(self) -> dict[str, ConceptSet]:
        """What each target's prompt was taken to mean."""
        return {name: lane.concepts for name, lane in self._targets.newest.lanes.items()}

    @property
    def latency(self) -> Latency:
        """See `Latency`."""
        config = self.config
        mode = self._bundle.spec.mode
        return latency_of(self._audio, config.sample_rate, self._output_rate, config.hops_per_call, mode)

    @property
    def idle(self) -> bool:
        """Nothing that a batcher could still work on."""
        return self._closed or self.failed is not None or not self._segment.separator.ready

    @property
    def priming(self) -> bool:
        """Whether its next work lets new slots hear the past, and gives no sound."""
        return self._segment.separator.priming

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
        if not checked(samples, self.config.channels).shape[1]:
            return
        samples, wrong = ordinary(samples)
        if wrong:
            self.counters.nonfinite_samples += wrong
            self._tell_once("nonfinite_samples", "NaN or infinite samples were replaced by silence")
        self._fed_s = now_s
        place = self._timeline.place(pts, samples.shape[1])
        if place.skip:
            self.counters.overlapped_samples += place.skip
            self._tell_once("late_audio", "samples that were heard before came again; they were dropped")
            samples = samples[:, place.skip :]
        if place.fill:
            self.counters.filled_samples += place.fill
            self._segments.feed(np.zeros((self.config.channels, place.fill), np.float32), now_s)
        self._segments.feed(samples, now_s, pts if place.restart else None)

    def flush(self, now_s: float | None = None, last: bool = False) -> None:
        """Give out what is buffered, down to the last sample; what is fed later goes on after it.

        Args:
            now_s: clock time, for the hops that become due by it; None: the time of the last feed.
            last: nothing will be fed any more; the last piece of each track says so.
        """
        self._segments.finish(self._fed_s if now_s is None else now_s, last)
        self._bid_farewell()

    @property
    def _segment(self) -> Segment:
        return self._segments.present

    def _forget(self) -> None:
        for slot in self._targets.plan.slots:
            self._bundle.program.reset(slot)

    def _new_segment(self, start: int, discontinuity: bool) -> Segment:
        config, targets = self.config, self._targets
        segment = Segment(
            self._audio, config.channels, config.sample_rate, self._output_rate, start, targets.plan.slots,
            self._hints(start), config.live, config.residual, discontinuity, config.hops_per_call,
        )  # fmt: skip
        for name in targets.indices:
            if name == TAKEN:
                segment.open_outlet(name, 1.0)
            elif name in targets.plan.lanes:
                segment.open_outlet(name, _gain(targets.plan.lanes[name].target))
        if targets.coming is not None:
            self._prepare(segment)
        return segment

    def _prepare(self, segment: Segment) -> int:
        """Let the coming plan's new slots hear the past, from a state that has heard nothing; the pts (model rate) of
        the hop in which they join."""
        for slot in self._targets.arriving:
            self._bundle.program.reset(slot)
        return segment.separator.prepare(self._targets.arriving)

    def _hints(self, start: int) -> HintOf | None:
        # A latent frame is marked by where it begins, as the models with frames were trained.
        hop = self._audio.hop if self._audio.frame is None else 0
        return self._targets.hints(start / self.config.sample_rate, hop, self._audio.sample_rate)

    # --- targets ----------------------------------------------------------------------------------------------

    def update(self, targets: tuple[Target, ...], room: int | None = None) -> int:
        """Replace or add targets by id; crossfaded over one hop, new ones have heard the last second.

        Args:
            targets: new ones, or with the id of a present one.
            room: rows of the graph that it may take beside `graph_rows`; None: as many as the model has slots for.

        Returns:
            pts (output rate) from which it holds.

        Raises:
            BadInput, UnknownPrompt, NoCapacity: as the constructor, or no room; the session is then unchanged.
        """
        merged = {target.id: target for target in (*self.targets, *targets)}
        pts = self._change(tuple(merged.values()), room)
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

    def _change(self, targets: tuple[Target, ...], room: int | None = None) -> int:
        if self._closed:
            raise EngineFault("the session is closed")
        check_config(replace(self.config, targets=targets))
        self._targets.change(targets, None if room is None else room // self.config.channels)
        self._activity.follow(name for name in self._targets.indices if name != TAKEN)
        segment = self._segment
        segment.separator.hint_of = self._hints(segment.start)
        joins_at = converted_count(self._prepare(segment), self._audio.sample_rate, self._output_rate)
        return segment.base + (joins_at if segment.limit is None else min(joins_at, segment.limit))

    # --- the batcher's side -----------------------------------------------------------------------------------

    def next_work(self, most_hops: int) -> Work | None:
        """The next work, or None."""
        return None if self._closed or self.failed else self._segment.separator.next_work(most_hops)

    def take_back(self) -> None:
        """The work that was asked for last came to nothing, and is to be given once more."""
        self._segment.separator.take_back()

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
            if latency_s > self._late_s:
                self.counters.late_hops += result.work.hops
            self.meter.record(latency_s, queue_s, result.model_s, stitch_s)
        stages = (queue_s, result.model_s, stitch_s)
        for piece in pieces:
            piece.stages = stages
        self._pieces += pieces
        self._segments.go_on()
        if self._segment.last:
            self._bid_farewell()
        return bool(pieces)

    def _emit(self, stretch: Stretch, passed: bool = False) -> list[Piece]:
        """Pieces of a stretch; with `passed` every target is the input itself."""
        plan = self._targets.plan
        coming = self._targets.coming if stretch.joined else None
        heard = None
        if passed or plan.hears_input or (coming is not None and coming.hears_input):
            heard = self._segment.separator.heard(stretch.pts, stretch.pts + stretch.count)
        moments = self._moments(stretch) if plan.gated or (coming is not None and coming.gated) else None
        if passed and heard is not None:
            signals = {name: heard.copy() for name in self._targets.indices}
        elif coming is None:
            signals = plan.signals(stretch.outputs, heard, moments)
        else:
            signals = plan.signals(stretch.outputs, heard, moments)
            signals = crossfaded(signals, coming.signals(stretch.outputs, heard, moments))
        gone = self._settle(stretch) if coming is not None else []
        self._events += self._activity.of(self._targets.plan, stretch, self._segment.base, moments)
        pieces = self._segment.emit(stretch, signals, self._targets.indices)
        for name in gone:
            index = self._targets.retire(name)
            ending = [piece for piece in pieces if piece.track == index]
            if ending:
                ending[-1].last = True
            else:  # all of its samples went out before the flush that this hop lies behind
                pieces += self._segment.farewells({name: index})
            self._segment.close_outlet(name)
        if gone:
            self._activity.follow(self._targets.plan.lanes)
        return pieces

    def _moments(self, stretch: Stretch) -> Moments:
        """When the stretch is in the session's own time, which spans are told in."""
        grain, rate = self._audio.grain, self._audio.sample_rate
        begin_s = self._segment.start / self.config.sample_rate + stretch.pts / rate
        return Moments(begin_s, stretch.count // grain, grain, rate)

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

    def _bid_farewell(self) -> None:
        """Once everything is out: a track that ended without saying so, or had no sound at all, says it now."""
        if not self._parted and self.finished:
            self._parted = True
            self._pieces += self._segment.farewells(self._targets.indices)

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
        active = np.zeros((len(work.slots), work.hops * self._audio.hop // self._audio.grain), np.float32)
        stretch = self._segment.separator.accept(Result(work, outputs, active, 0.0, 0.0))
        if stretch is None:
            return False
        self._pieces += self._emit(stretch, passed=True)
        self._segments.go_on()
        self._bid_farewell()
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
        return self._segments.finished

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
