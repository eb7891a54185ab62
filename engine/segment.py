"""One gapless stretch of a session: client samples → model rate → separator, and estimates → client rate → pieces.

A session goes through several segments only when the client flushes or leaves a gap too long to fill. Within one,
everything is counted from the segment's first sample: sample 0 at the input rate, the model's and the output rate.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.frames import Piece, Samples
from engine.plan import TAKEN
from engine.resample import StreamResampler, common_grid, converted_count, resampling_delay
from engine.ring import RingBuffer
from engine.separator import HintOf, Separator, Stretch
from engine.spec import AudioSpec

FILTER = 256
"""More samples (model rate) than any resampler's filter is long."""


class Outlet:
    """One signal on its way to the output rate, with a gain that changes without a step.

    Args:
        channels: 1 or 2.
        audio: lengths of the model.
        output_rate: Hz.
        first: model-rate index of the first sample that will be pushed.
    """

    __slots__ = ("_gain", "_resampler", "_skip", "gain", "position")

    def __init__(self, channels: int, audio: AudioSpec, output_rate: int, first: int, gain: float) -> None:
        self._gain = self.gain = np.float32(gain)
        self._skip = 0
        self._resampler: StreamResampler | None = None
        self.position = first
        """Output-rate index of the next sample that comes out."""
        if output_rate == audio.sample_rate:
            return
        # A resampler counts from its own first sample, and mirrors what comes first to fill its filter: begin at an
        # index that is whole at both rates, with enough silence for the longest filter (192 samples, to 8 kHz).
        grid = common_grid(audio.sample_rate, output_rate)
        start = max(first - FILTER, 0) // grid * grid
        self._resampler = StreamResampler(channels, audio.sample_rate, output_rate)
        self.position = -(-first * output_rate // audio.sample_rate)
        self._skip = self.position - start * output_rate // audio.sample_rate
        self._drop(self._resampler.push(np.zeros((channels, first - start), np.float32)))

    def _drop(self, ready: Samples) -> Samples:
        cut = min(self._skip, ready.shape[1])
        self._skip -= cut
        return ready[:, cut:]

    def push(self, signal: Samples) -> Samples:
        """`(channels, n)` at the model rate → `(channels, m)` at the output rate, before gain."""
        ready = signal if self._resampler is None else self._drop(self._resampler.push(signal))
        self.position += ready.shape[1]
        return ready

    def amplified(self, samples: Samples) -> Samples:
        """Apply the gain; a change since the last call is a ramp over these samples."""
        if self._gain == self.gain:
            return samples if self.gain == 1.0 else samples * self.gain
        ramp = np.linspace(self._gain, self.gain, samples.shape[1], dtype=np.float32)
        self._gain = self.gain
        return samples * ramp


class Segment:
    """See the module.

    Args:
        audio: lengths of the model.
        channels: 1 or 2.
        input_rate, output_rate: Hz.
        start: input-rate index, in the whole session, of the segment's first sample.
        slots: program slots that hear it.
        hint_of: activity hints by slot and model-rate index within the segment.
        live: see `Separator`.
        reference: keep the input at the output rate, for the residual.
        discontinuity: input is missing before this segment.
        least_hops: see `Separator`.
    """

    def __init__(
        self,
        audio: AudioSpec,
        channels: int,
        input_rate: int,
        output_rate: int,
        start: int,
        slots: Sequence[int],
        hint_of: HintOf | None,
        live: bool,
        reference: bool,
        discontinuity: bool,
        least_hops: int = 1,
    ) -> None:
        self._audio, self._channels = audio, channels
        self._input_rate, self._output_rate = input_rate, output_rate
        self.start = start
        self.base = converted_count(start, input_rate, output_rate)
        """Output-rate pts of the segment's first sample."""
        origin = converted_count(start, input_rate, audio.sample_rate)
        self.separator = Separator(audio, channels, slots, hint_of, live, least_hops, origin)
        self._least = least_hops
        self._resampler = _resampler(channels, input_rate, audio.sample_rate)
        self._reference = RingBuffer(channels, output_rate // 4) if reference else None
        self._to_output = _resampler(channels, input_rate, output_rate) if reference else None
        self._outlets: dict[str, Outlet] = {}
        self._announced: set[str] = set()
        self._ended: set[int] = set()
        self._discontinuity = discontinuity
        self._zero_s: float | None = None
        self.received = 0
        """Samples at the input rate, padding not counted."""
        self.limit: int | None = None
        """Output-rate count at which the segment ends, once it is finishing."""
        self.last = False
        """Nothing follows this segment on any track."""

    @property
    def done(self) -> bool:
        """Whether all that the segment will give out is out."""
        if self.limit is None:
            return False
        return self.limit == 0 or (
            bool(self._outlets) and all(outlet.position >= self.limit for outlet in self._outlets.values())
        )

    def push(self, samples: Samples, now_s: float) -> None:
        """`(channels, n)` client samples that arrived at `now_s`."""
        count = samples.shape[1]
        if self._zero_s is None:
            self._zero_s = now_s - count / self._input_rate
        self.received += count
        # A stream that is sent faster than it sounds is not late before its own clock says so.
        self._feed(samples, max(now_s, self._zero_s + self.received / self._input_rate))

    def _feed(self, samples: Samples, due_s: float) -> None:
        if self._reference is not None:
            done = [outlet.position for outlet in self._outlets.values()]
            self._reference.needed = min(done, default=0)
            self._reference.push(samples if self._to_output is None else self._to_output.push(samples))
        self.separator.push(samples if self._resampler is None else self._resampler.push(samples), due_s)

    def finish(self, now_s: float, last: bool) -> None:
        """No more input: push silence until every sample received so far can come out."""
        self.last = last
        # From the session's own beginning, so that the halves lost by rounding do not add up over many segments.
        self.limit = converted_count(self.start + self.received, self._input_rate, self._output_rate) - self.base
        audio, rate = self._audio, self._input_rate
        padding = -(-(audio.latency + (self._least + 1) * audio.hop) * rate // audio.sample_rate)
        padding += resampling_delay(rate, audio.sample_rate) + resampling_delay(rate, self._output_rate)
        padding += -(-resampling_delay(audio.sample_rate, self._output_rate) * rate // audio.sample_rate)
        self.separator.end = converted_count(self.received, rate, audio.sample_rate)
        if self.limit:
            self._feed(np.zeros((self._channels, padding), np.float32), now_s)

    def open_outlet(self, name: str, gain: float, first: int = 0) -> None:
        """A signal whose first sample has index `first` (model rate)."""
        self._outlets[name] = Outlet(self._channels, self._audio, self._output_rate, first, gain)

    def close_outlet(self, name: str) -> None:
        """A signal that has ended."""
        self._outlets.pop(name, None)

    def set_gain(self, name: str, gain: float) -> None:
        """Gain (linear) of a signal from its next samples on."""
        self._outlets[name].gain = np.float32(gain)

    def emit(self, stretch: Stretch, signals: dict[str, Samples], tracks: dict[str, int]) -> list[Piece]:
        """Signals of a stretch → pieces on `tracks` (signal name → track index; `TAKEN` gives the residual)."""
        pieces = []
        for name, signal in signals.items():
            outlet = self._outlets.get(name)
            index = tracks.get(name)
            if outlet is None or index is None:
                continue
            begin = outlet.position
            samples = outlet.push(signal)
            if self.limit is not None:
                samples = samples[:, : max(self.limit - begin, 0)]
            count = samples.shape[1]
            if not count:
                continue
            if name == TAKEN:
                assert self._reference is not None, "a residual track comes with a reference"
                samples = self._reference.read(begin, begin + count) - samples
            else:
                samples = outlet.amplified(samples)
            fresh = name not in self._announced
            self._announced.add(name)
            last = self.last and begin + count == self.limit
            if last:
                self._ended.add(index)
            pieces.append(
                Piece(
                    index,
                    self.base + begin,
                    samples,
                    discontinuity=fresh and self._discontinuity,
                    last=last,
                    due_s=stretch.due_s,
                )
            )
        return pieces

    def farewells(self, tracks: dict[str, int]) -> list[Piece]:
        """An empty last piece for each of `tracks` (signal name → track index) that has not ended with its samples."""
        pieces = []
        for name, index in tracks.items():
            if index in self._ended:
                continue
            self._ended.add(index)
            outlet = self._outlets.get(name)
            end = (self.limit or 0) if outlet is None else outlet.position
            if self.limit is not None:
                end = min(end, self.limit)
            nothing = np.zeros((self._channels, 0), np.float32)
            pieces.append(Piece(index, self.base + end, nothing, last=True))
        return pieces


def _resampler(channels: int, from_rate: int, to_rate: int) -> StreamResampler | None:
    return None if from_rate == to_rate else StreamResampler(channels, from_rate, to_rate)
