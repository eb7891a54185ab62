"""One step of the `flow_audio` program: from the windows of several works to their sound, call by call.

What a step learns about its streams is written down at its end (`finish`): until then, and where it fails, everything
is as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from engine.frames import Result, Samples, Work
from engine.programs.base import Calls
from engine.programs.flow_field import FlowField, Row
from engine.programs.flow_hearing import HEARD_ABOVE, Hearing
from engine.programs.flow_latents import Heard, Stretch, assembled, samples_of, stretches
from engine.programs.flow_pictures import Seen
from engine.programs.flow_windows import Window, joined, left_right, mid_side, silent, windows_of
from engine.spec import AudioSpec, FlowSpec

Floats = NDArray[np.float32]

_ON = 1
"""In `Work.marks`: the target is known to sound."""


@dataclass(slots=True, eq=False)
class Slot:
    """What one listener remembers of its stream. A slot that is closed or reset is replaced: a step that still runs
    for the old one then writes into nothing that anyone reads.

    Attributes:
        phrase: what it listens for.
        seen: its visual prompt.
        predicts: what nobody has marked is marked where the phrase is heard.
        seed: of the noise that it begins with.
        heard: latents of the mixture, by part (mono or mid, side).
        expects: the first sample of the next hop. A work that begins elsewhere belongs to another stream.
        tail: the last window's sound from there on.
        solved: by part the last window's first frame and end, its latents, and where the phrase was heard in it.
        marked: the watermark's state, by channel.
    """

    phrase: str = ""
    seen: Seen | None = None
    predicts: bool = False
    seed: int = 0
    heard: dict[int, Heard] = field(default_factory=dict)
    expects: int | None = None
    tail: Samples | None = None
    solved: dict[int, tuple[int, int, Floats, Floats | None]] = field(default_factory=dict)
    marked: dict[int, Floats] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Job:
    """One work: its sound by part `(parts, n)` from sample `origin` on, and what becomes of it.

    Attributes:
        mixes: (hop, part) → latents of the mixture in that hop's window; none for a part that is silent in it.
        latents: (slot, hop, part) → latents of the target in that hop's window.
        heard_in: (slot, hop, part) → how probably the phrase sounds in each frame of that hop's window.
        sounds: (slot, hop, part) → the target from the hop's first sample on, crossfade included.
        outputs: `(slots, channels, hops * hop)`.
        sounding: (slot, hop), where the model was asked.
        tails: what each slot's next window is joined to.
        marked: (slot, channel) → the watermark's state.
        faulty: something was not finite, and is silence instead.
        begun: the session's frame with which the stream began: of it the pictures are counted.
    """

    work: Work
    slots: list[Slot]
    parts: Floats
    origin: int
    windows: list[Window | None]
    outputs: Floats
    heard: dict[int, Heard] = field(default_factory=dict)
    mixes: dict[tuple[int, int], Floats] = field(default_factory=dict)
    latents: dict[tuple[int, int, int], Floats] = field(default_factory=dict)
    heard_in: dict[tuple[int, int, int], Floats] = field(default_factory=dict)
    sounds: dict[tuple[int, int, int], Floats] = field(default_factory=dict)
    sounding: set[tuple[int, int]] = field(default_factory=set)
    tails: list[Samples | None] = field(default_factory=list)
    marked: dict[tuple[int, int], Floats] = field(default_factory=dict)
    faulty: bool = False
    begun: int = 0

    @classmethod
    def of(cls, work: Work, slots: list[Slot], audio: AudioSpec) -> Job:
        """The window is copied: the caller pushes into its ring while the step still runs."""
        outputs = np.zeros((len(slots), len(work.window), work.hops * audio.hop), np.float32)
        windows = windows_of(work, audio)
        begun = work.origin // audio.grain
        return cls(work, slots, mid_side(work.window), work.pts - audio.history, windows, outputs, begun=begun)

    def window(self, hop: int) -> Window:
        """The window of a hop that has one."""
        window = self.windows[hop]
        assert window is not None, "asked for a hop within the stream"
        return window


class FlowStep:
    """See the module.

    Args:
        graphs: to be called.
        hearing: the span predictor, where the bundle has it.
        audio: lengths of the mode.
        flow: margins and sizes.
        message: sixteen bits that are marked into the sound, where the bundle can.
    """

    def __init__(
        self, graphs: FlowField, hearing: Hearing | None, audio: AudioSpec, flow: FlowSpec, message: int
    ) -> None:
        self._field, self._hearing = graphs, hearing
        self._audio, self._flow, self._message = audio, flow, message
        self._frame = audio.grain

    def calls(self, jobs: Sequence[Job]) -> Calls[None]:
        """Everything up to the outputs.

        Raises:
            EngineFault: a graph failed.
        """
        yield from self._encoded(jobs)
        yield from self._solved(jobs)
        yield from self._decoded(jobs)
        for job in jobs:
            self._join(job)
        if self._field.marks:
            yield from self._marked(jobs)

    def _encoded(self, jobs: Sequence[Job]) -> Calls[None]:
        asked: list[tuple[Job, int, int, Stretch]] = []
        for job in jobs:
            for part in range(len(job.parts)):
                hops = [hop for hop, window in enumerate(job.windows) if window and self._sounds(job, part, window)]
                # All slots of a work hear the same: what one of them has kept holds for the others.
                kept = [slot.heard[part] for slot in job.slots if part in slot.heard]
                if kept:
                    job.heard[part] = max(kept, key=lambda heard: heard.end)
                found = stretches(job.heard.get(part), [job.window(hop) for hop in hops], self._flow.encoder_margin)
                asked += [(job, part, hop, stretch) for hop, stretch in zip(hops, found, strict=True)]
        fresh = [number for number, (_, _, _, stretch) in enumerate(asked) if stretch.used < stretch.end]
        sounds = []
        for job, part, _, stretch in (asked[number] for number in fresh):
            sounds.append(samples_of(stretch, job.parts[part], job.origin, self._frame, job.work.end))
        latents = yield from self._field.encode(sounds)
        made = dict(zip(fresh, latents, strict=True))
        nothing = np.zeros((0, self._flow.latent), np.float32)
        for number, (job, part, hop, stretch) in enumerate(asked):
            job.mixes[hop, part], job.heard[part] = assembled(job.heard.get(part), stretch, made.get(number, nothing))

    def _sounds(self, job: Job, part: int, window: Window) -> bool:
        begin = window.pts - job.origin
        return not silent(job.parts[part, begin : begin + self._audio.hop + self._audio.crossfade])

    def _solved(self, jobs: Sequence[Job]) -> Calls[None]:
        rows: list[Row] = []
        watching: list[tuple[Slot, Window, int]] = []
        places: dict[tuple[int, int, int, int], int] = {}
        wanted: list[tuple[Job, tuple[int, int, int], int]] = []
        for job in jobs:
            for (hop, part), mix in job.mixes.items():
                window = job.window(hop)
                for number, slot in enumerate(job.slots):
                    before = slot.solved.get(part)
                    if before is not None and before[:2] == (window.first, window.end):
                        # The last hops of a stream may all lie in one window.
                        job.latents[number, hop, part] = before[2]
                        if before[3] is not None:
                            job.heard_in[number, hop, part] = before[3]
                        continue
                    place = places.setdefault((id(slot), part, window.first, window.end), len(rows))
                    if place == len(rows):
                        rows.append(Row(slot.phrase, window.first, mix, self._marks(job, number, window), slot.seed))
                        watching.append((slot, window, job.begun))
                    wanted.append((job, (number, hop, part), place))
        yield from self._watched(rows, watching)
        heard = yield from self._heard(rows, [slot for slot, _, _ in watching])
        solved = yield from self._field.solve(rows)
        for job, key, place in wanted:
            job.latents[key] = solved[place][:, : self._flow.latent]
            if place in heard:
                job.heard_in[key] = heard[place]

    def _watched(self, rows: list[Row], watching: Sequence[tuple[Slot, Window, int]]) -> Calls[None]:
        """The features of the visual prompts, into the rows that go by one."""
        # A film is read forwards, and forgets what it has passed. The rows come part by part: where the middle was
        # silent at first, its first window lies behind the side's.
        for number in sorted(range(len(rows)), key=lambda number: watching[number][2] + watching[number][1].first):
            slot, window, begun = watching[number]
            if slot.seen is not None:
                video = yield from slot.seen.window(begun + window.first, begun + window.end)
                rows[number] = replace(rows[number], video=video)

    def _heard(self, rows: list[Row], slots: Sequence[Slot]) -> Calls[dict[int, Floats]]:
        """How probably the phrases sound in the frames of the rows that are to be marked where they are heard, by row:
        certainly where the caller has marked them. The rows that nobody marked are marked."""
        hearing = self._hearing
        if hearing is None:
            return {}
        heard: dict[int, Floats] = {}
        asked: list[int] = []
        for number, slot in enumerate(slots):
            marks = rows[number].marks
            if slot.predicts and slot.phrase and not np.any(marks):
                asked.append(number)
            elif slot.predicts:
                known = np.zeros(len(rows[number].mix), np.int8) if marks is None else marks
                heard[number] = (known == _ON).astype(np.float32)
        made = yield from hearing.hear(
            [rows[number].phrase for number in asked], [rows[number].mix for number in asked]
        )
        for number, probability in zip(asked, made, strict=True):
            heard[number] = probability
            rows[number] = replace(rows[number], marks=(probability > HEARD_ABOVE).astype(np.int8))
        return heard

    def _marks(self, job: Job, number: int, window: Window) -> NDArray[np.int8] | None:
        if job.work.marks is None:
            return None
        begin = window.first - job.origin // self._frame
        return job.work.marks[number, begin : begin + window.frames]

    def _decoded(self, jobs: Sequence[Job]) -> Calls[None]:
        margin = self._flow.decoder_margin
        pieces: list[Floats] = []
        cuts: list[tuple[Job, tuple[int, int, int], int, int]] = []
        for job in jobs:
            for key, latents in job.latents.items():
                window = job.window(key[1])
                begin = max(window.out[0] - margin, window.first)
                end = min(window.out[1] + margin, window.end)
                pieces.append(latents[begin - window.first : end - window.first])
                cuts.append((job, key, (window.out[0] - begin) * self._frame, (window.out[1] - begin) * self._frame))
        sounds = yield from self._field.decode(pieces)
        for (job, key, begin, end), sound in zip(cuts, sounds, strict=True):
            job.sounds[key] = sound[begin:end]

    def _join(self, job: Job) -> None:
        hop_length, crossfade = self._audio.hop, self._audio.crossfade
        for number, slot in enumerate(job.slots):
            tail = slot.tail
            for hop, window in enumerate(job.windows):
                if window is None:
                    tail = None
                    continue
                sound = np.zeros((len(job.parts), hop_length + crossfade), np.float32)
                for part in range(len(job.parts)):
                    if (made := job.sounds.get((number, hop, part))) is not None:
                        sound[part, : len(made)] = made
                        job.sounding.add((number, hop))
                if not np.isfinite(sound).all():
                    job.faulty = True
                    sound[:] = 0.0
                sound = left_right(sound)
                if tail is not None:
                    sound[:, :crossfade] = joined(tail, sound[:, :crossfade])
                job.outputs[number, :, hop * hop_length : (hop + 1) * hop_length] = sound[:, :hop_length]
                tail = sound[:, hop_length:]
            job.tails.append(tail)

    def _marked(self, jobs: Sequence[Job]) -> Calls[None]:
        """Hop by hop, as the mark has a state; what is silent stays so."""
        length = self._audio.hop
        for hop in range(max(job.work.hops for job in jobs)):
            places = [
                (job, number, channel)
                for job in jobs
                for number in range(len(job.slots))
                if (number, hop) in job.sounding
                for channel in range(job.outputs.shape[1])
            ]
            sounds = [
                job.outputs[number, channel, hop * length : (hop + 1) * length] for job, number, channel in places
            ]
            states = [
                job.marked.get((number, channel), job.slots[number].marked.get(channel))
                for job, number, channel in places
            ]
            made = yield from self._field.mark(sounds, states, self._message)
            for (job, number, channel), (sound, state) in zip(places, made, strict=True):
                job.outputs[number, channel, hop * length : (hop + 1) * length] = sound
                job.marked[number, channel] = state

    def finish(self, job: Job) -> Result:
        """The work's result; what its slots have learnt is written down."""
        work = job.work
        frames = self._audio.hop // self._frame
        active = np.zeros((len(job.slots), work.hops, frames), np.float32)
        for number, slot in enumerate(job.slots):
            slot.tail = job.tails[number]
            slot.expects = work.pts + work.hops * self._audio.hop
            slot.heard.update(job.heard)
            for (of, hop, part), latents in job.latents.items():
                if of == number:
                    window = job.window(hop)
                    slot.solved[part] = (window.first, window.end, latents, job.heard_in.get((of, hop, part)))
            windows = [window for window in job.windows if window]
            if slot.seen is not None and windows:
                slot.seen.forget(job.begun + windows[0].first)
            for (of, channel), state in job.marked.items():
                if of == number:
                    slot.marked[channel] = state
        for number, hop in job.sounding:
            heard = [
                found for part in range(len(job.parts)) if (found := job.heard_in.get((number, hop, part))) is not None
            ]
            window = job.window(hop)
            begin = window.out[0] - window.first
            told = np.max(heard, axis=0)[begin : begin + frames] if heard else np.ones(frames, np.float32)
            active[number, hop, : len(told)] = told
        return Result(work, job.outputs, active.reshape(len(job.slots), -1), 0.0, 0.0, job.faulty)
