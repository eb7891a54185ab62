"""One audio stream at the model's rate, without a model in it: samples in, works out, results in, hops out.

    push(samples) → next_work() → (a program runs it) → accept(result) → outputs of every slot for those hops

At most one work is under way at a time, since its states must be written before the next one reads them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from engine.frames import Result, Samples, Work
from engine.ring import RingBuffer
from engine.spec import AudioSpec

PRIMING_S = 1.0
"""How much of the past a new slot hears before it speaks (contract: "the last second of input")."""

PRIMING_HOPS = 16
"""Hops of the past in one call: small enough that other streams' hops do not wait for it."""

HintOf = Callable[[int, int], int]
"""`(slot, pts) -> hint`, the activity hint of a slot for the hop at `pts` (model rate)."""


@dataclass(slots=True)
class Stretch:
    """Hops that are finished.

    Attributes:
        pts: index of the first sample, model rate.
        count: samples in it.
        outputs: slot → estimate `(channels, n)`.
        active: slot → activity probability per hop `(hops,)`.
        joined: the first stretch in which the prepared slots sounded (`Separator.prepare`).
        due_s: clock time at which its first hop was due.
        model_s, stitch_s: seconds of the batch that it was part of.
    """

    pts: int
    count: int
    outputs: dict[int, Samples]
    active: dict[int, Samples]
    joined: bool
    due_s: float
    model_s: float
    stitch_s: float


class Separator:
    """A stream's ring and position.

    Args:
        audio: lengths of the model.
        channels: 1 or 2.
        slots: program slots that hear this stream.
        hint_of: activity hints, or None when there are none.
        live: works of a live stream go before those of files.
        least_hops: hops that a work has at least, a power of two: more than one costs less for each and comes later.
        origin: index of the stream's first sample in the whole session (model rate).
    """

    def __init__(
        self,
        audio: AudioSpec,
        channels: int,
        slots: Sequence[int],
        hint_of: HintOf | None = None,
        live: bool = True,
        least_hops: int = 1,
        origin: int = 0,
    ) -> None:
        self._audio = audio
        # Plain attributes: these are read several times for every hop of every stream.
        self._hop, self._latency, self._history = audio.hop, audio.latency, audio.history
        self._live = live
        self._least, self._origin = least_hops, origin
        self.hint_of = hint_of
        self.slots = tuple(slots)
        self.end: int | None = None
        """Where the stream ends (model rate), once that is known; what is pushed behind it is padding."""
        self._frame = audio.frame
        # The first hop needs the tails of the windows before it: begin that much early, in silence.
        lead = -(-audio.crossfade // audio.hop) * audio.hop
        capacity = int(PRIMING_S * audio.sample_rate) + audio.window
        self._ring = RingBuffer(channels, capacity, start=-lead - audio.history)
        self._ring.push(np.zeros((channels, lead + audio.history), np.float32))
        self._next = -lead
        self._arrivals: deque[tuple[int, float]] = deque()
        self._pending = False
        self._coming: tuple[int, ...] = ()
        self._primed = 0
        self._under_way: Work | None = None
        self._overtaken: Work | None = None
        """A work that was under way when the coming slots changed: it says nothing of the present ones of that name."""
        self._joins_at = self._next
        """The coming slots join no hop before this one."""
        self._calm_until = self._next
        """Nor before this one: the last hop that ran the slots of two plans is to be followed by one that does not."""

    @property
    def received(self) -> int:
        """Samples pushed so far."""
        return self._ring.end

    def heard(self, begin: int, end: int) -> Samples:
        """View of the input `[begin, end)`, model rate; valid until the next push."""
        return self._ring.read(begin, end)

    def push(self, samples: Samples, due_s: float) -> None:
        """Append `(channels, n)`; `due_s` is the clock time at which the hops that it completes are due."""
        self._ring.needed = (min(self._next, self._primed) if self._pending else self._next) - self._history
        self._ring.push(samples)
        self._arrivals.append((self._ring.end, due_s))

    def prepare(self, slots: Sequence[int]) -> int:
        """Let `slots` hear the last second, then run beside the present ones for one hop (`Stretch.joined`).

        Without slots only that one joint hop is arranged. A second call before that hop replaces the first. Of two
        hops in a row only one runs slots of two plans: whoever asks for others all the time costs half as much again,
        and not twice as much, which admission leaves room for.

        Returns:
            pts (model rate) of that joint hop.
        """
        hurried, self._pending = self._pending, True
        self._coming = tuple(slots)
        self._overtaken = self._under_way
        self._joins_at = max(self._earliest_joint(), self._calm_until if self._coming else self._next)
        if hurried and self._must_prime:
            # Whoever changes its mind again and again must not stop what sounds: hops behind the newest go first.
            behind = self._available() - (self._joins_at - self._next) // self._hop - self._least
            self._joins_at += max(behind, 0) // self._least * self._least * self._hop
        self._primed = self._joins_at
        if self._must_prime:
            heard = (self._joins_at - self._ring.begin - self._history) // self._hop
            reach = int(PRIMING_S * self._audio.sample_rate) // self._hop
            self._primed -= max(min(heard, reach), 0) * self._hop
        return max(self._joins_at, 0)

    @property
    def _must_prime(self) -> bool:
        """Whether coming slots hear the past before they sound; with latent frames they hear it in every window."""
        return bool(self._coming) and self._frame is None

    def _earliest_joint(self) -> int:
        work = self._under_way
        if work is None:
            return self._next
        if not self._coming and work.slots == self.slots and work.hops == self._least:
            return self._next  # it runs all that the joint hop needs, and no more hops than that
        # Its slots were chosen before: whoever comes now joins behind it. Priming ends before the next hop.
        return max(work.pts + work.hops * self._hop, self._next)

    def settle(self, slots: Sequence[int]) -> None:
        """From the next work on, only `slots` run."""
        self.slots = tuple(slots)

    @property
    def ready(self) -> bool:
        """Whether `next_work` would return one."""
        return self._under_way is None and (self._available() >= self._least or self.priming or self._leading)

    @property
    def _leading(self) -> bool:
        """Whether the lead-in is to be run by itself, so that a work of several hops begins with sample 0."""
        return self._next < 0 and self._least > 1 and self._available() > 0

    @property
    def priming(self) -> bool:
        """Whether coming slots have still to hear some of the past, and their turn has come."""
        return self._pending and self._primed < self._joins_at <= self._next

    @property
    def due_s(self) -> float:
        """Clock time at which the next hop was due; 0 before any push."""
        return self._due(self._next)

    def _available(self) -> int:
        return (self._ring.end - self._next - self._latency) // self._hop + 1

    def next_work(self, most_hops: int) -> Work | None:
        """The next work of at most `most_hops` hops, or None: too little input, or one is under way."""
        available = self._available()
        if not self.ready:
            return None
        slots, pts = self.slots, self._next
        if self._leading:
            available = min(available, -self._next // self._hop)
        if self.priming:
            slots, pts = self._coming, self._primed
            available = min((self._joins_at - self._primed) // self._hop, PRIMING_HOPS)
        elif self._next < self._joins_at:  # hops that go before, and a work that was taken back
            available = min(available, (self._joins_at - self._next) // self._hop)
        elif self._pending:
            slots = (*self.slots, *self._coming)
            available = min(available, self._least)  # the lead-in may be shorter
        # Powers of two: few shapes for the runtime, and works of different streams fall into the same group.
        hops = 1 << (min(available, max(most_hops, self._least)).bit_length() - 1)
        begin = pts - self._history
        if self._frame is not None:
            return self._framed_work(slots, pts, begin, hops, self._frame)
        hints, hops = self._hints(slots, pts, hops)
        end = pts + (hops - 1) * self._hop + self._latency
        self._under_way = Work(slots, pts, self._ring.read(begin, end), hops, hints, self._due(pts), self._live)
        return self._under_way

    def _framed_work(self, slots: tuple[int, ...], pts: int, begin: int, hops: int, frame: int) -> Work:
        """A work with a hint for every frame of its window instead of one for all of it."""
        end = pts + (hops - 1) * self._hop + self._latency
        marks = None
        if (hint_of := self.hint_of) is not None:
            marks = np.array([[hint_of(slot, at) for at in range(begin, end, frame)] for slot in slots], np.int8)
        window, due_s = self._ring.read(begin, end), self._due(pts)
        hints = (0,) * len(slots)
        self._under_way = Work(
            slots, pts, window, hops, hints, due_s, self._live, self.end, marks, self._origin
        )  # fmt: skip
        return self._under_way

    def take_back(self) -> None:
        """The work under way came to nothing: `next_work` gives it once more."""
        self._under_way = None

    def _hints(self, slots: tuple[int, ...], pts: int, hops: int) -> tuple[tuple[int, ...], int]:
        if self.hint_of is None:
            return (0,) * len(slots), hops
        hints = tuple(self.hint_of(slot, pts) for slot in slots)
        # A call has one hint a slot: shorten it until no hint changes inside.
        for hop in range(1, hops):
            later = pts + hop * self._hop
            if tuple(self.hint_of(slot, later) for slot in slots) != hints:
                return hints, 1 << (hop.bit_length() - 1)
        return hints, hops

    def _due(self, pts: int) -> float:
        complete = pts + self._latency + (self._least - 1) * self._hop
        arrivals = self._arrivals
        while len(arrivals) > 1 and arrivals[0][0] < complete:
            arrivals.popleft()
        return arrivals[0][1] if arrivals else 0.0

    def accept(self, result: Result) -> Stretch | None:
        """Take a work's result; the stretch it gave, or None for priming and for the lead-in before sample 0."""
        work = result.work
        self._under_way = None
        if work.pts < self._next:
            # Priming. An update in between may have asked for other slots, or for a slot of the same number that was
            # given to another target: what it learned then counts for nothing.
            if work.slots == self._coming and work is not self._overtaken:
                self._primed = work.pts + work.hops * self._hop
            return None
        # By the pts too: a slot's number alone does not say that it still listens for the same.
        joined = self._pending and work.pts >= self._joins_at and work.slots == (*self.slots, *self._coming)
        if joined:
            self._pending = False
        self._next = work.pts + work.hops * self._hop
        if joined and self._coming:
            self._coming = ()
            self._calm_until = self._next + self._least * self._hop
        cut = max(-work.pts, 0)
        if cut >= work.hops * self._hop and not joined:
            return None
        return Stretch(
            work.pts + cut,
            work.hops * self._hop - cut,
            {slot: result.outputs[index][:, cut:] for index, slot in enumerate(work.slots)},
            {slot: result.active[index] for index, slot in enumerate(work.slots)},
            joined,
            work.due_s,
            result.model_s,
            result.stitch_s,
        )
