"""The `flow_audio` program: a generative model that hears whole windows, and gives a stream hop by hop.

    sound → latents (`flow_latents`) → from noise to target and residual (`flow_field`) → sound, joined (`flow_windows`)

The windows of all streams go together. A step takes tens of milliseconds, in many graph calls; after each of them the
caller has its turn, so that a small model's hop waits for one call at most.

The model is mono: stereo goes through it as mid and side, from the same noise. Of the two sounds it makes, the target
is decoded; what is left is the input less the target, so that both add up to the input exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from engine.errors import NoCapacity
from engine.frames import Result, Vector, Work
from engine.programs.flow_field import GRAPHS, FlowField
from engine.programs.flow_hearing import SPANS, Hearing
from engine.programs.flow_judge import JUDGE, Judge
from engine.programs.flow_pictures import VISION, Seen
from engine.programs.flow_step import FlowStep, Job, Slot
from engine.programs.flow_text import Phrases
from engine.prompt import Pictures
from engine.runtimes.graphs import Graphs
from engine.spec import ModelSpec


class FlowProgram:
    """Slots of one model in one mode.

    Args:
        spec: of a bundle with `flow`, in its mode.
        folder: the bundle.
        graphs: its graphs.
        clock: seconds, monotonic; only for measuring.
        most_slots: slots that may be open at once.
        message: sixteen bits that are marked into the sound, where the bundle holds the watermark's graph.

    Raises:
        BundleError: a graph or the tokenizer is missing or cannot be used.
    """

    most_hops = 8
    """More windows of one stream than that are no cheaper together."""

    def __init__(
        self,
        spec: ModelSpec,
        folder: Path,
        graphs: Graphs,
        clock: Callable[[], float],
        most_slots: int = 1024,
        message: int = 0,
    ) -> None:
        assert spec.flow is not None, "a bundle of this program has it"
        for graph, (inputs, outputs) in GRAPHS.items():
            graphs.require(graph, inputs, outputs)
        self.spec, self.most_slots, self.message = spec, most_slots, message
        self._audio, self._flow, self._graphs, self._clock = spec.audio, spec.flow, graphs, clock
        self.sees = graphs.has(VISION)
        """Whether it takes visual prompts."""
        self.hears = graphs.has(SPANS)
        """Whether it can tell where a phrase sounds."""
        self.phrases = Phrases(folder, spec.flow, graphs)
        self._hearing = Hearing(folder, graphs, spec.flow.max_tokens) if self.hears else None
        self.judge = Judge(folder, graphs, spec.flow) if graphs.has(JUDGE) else None
        """What scores a separation, where the bundle has it."""
        self.field = FlowField(graphs, spec.flow, self.phrases, spec.flow.modes[spec.mode or spec.flow.default_mode])
        self._step = FlowStep(self.field, self._hearing, spec.audio, spec.flow, message)
        self._free = list(range(most_slots - 1, -1, -1))
        self._slots: dict[int, Slot] = {}

    def open_slot(self) -> int:
        """See `Program.open_slot`."""
        if not self._free:
            raise NoCapacity("every slot of the model is taken")
        slot = self._free.pop()
        self._slots[slot] = Slot()
        return slot

    def close_slot(self, slot: int) -> None:
        """See `Program.close_slot`."""
        del self._slots[slot]
        self._free.append(slot)

    def reset(self, slot: int) -> None:
        """See `Program.reset`."""
        old = self._slots[slot]
        self._slots[slot] = Slot(old.phrase, old.seen, old.predicts, old.seed)

    def condition(
        self, slot: int, query: Vector | str, pictures: Pictures | None = None, predicts: bool = False, seed: int = 0
    ) -> None:
        """Set the phrase, the pictures and the noise that a slot goes by; what was made for others is forgotten."""
        assert isinstance(query, str), "this program reads words"
        seen = None if pictures is None else self._seen(pictures)
        self._slots[slot] = Slot(query, seen, predicts and self.hears, seed)

    def _seen(self, pictures: Pictures) -> Seen:
        """The features of a film that can be read only once: who goes by the same one shares them."""
        for slot in self._slots.values():
            if slot.seen is not None and slot.seen.shows(pictures):
                return slot.seen
        return Seen(pictures, self._graphs, self._flow.video)

    def warm(self) -> None:
        """One whole window, so that no live one pays for what a first call costs."""
        slot = self.open_slot()
        self.condition(slot, "sound")
        noise = np.random.default_rng(0).standard_normal((1, self._audio.window), dtype=np.float32)
        for _ in self.step([Work((slot,), self._audio.history, noise * np.float32(0.1), 1, (0,))]):
            pass
        self.close_slot(slot)

    def step(self, works: list[Work]) -> Iterator[list[Result]]:
        """See `Program.step`: the results of all works come together, after the last call."""
        spent_s, begun = 0.0, self._clock()
        jobs = [self._job(work) for work in works]
        calls = self._step.calls(jobs)
        for part in calls:
            spent_s += self._clock() - begun
            yield part
            begun = self._clock()
        results = [self._step.finish(job) for job in jobs]
        stitch_s = self._clock() - begun
        for result in results:
            result.model_s, result.stitch_s = spent_s, stitch_s
        yield results

    def _job(self, work: Work) -> Job:
        for slot in work.slots:
            if self._slots[slot].expects not in (None, work.pts):
                self.reset(slot)
        return Job.of(work, [self._slots[slot] for slot in work.slots], self._audio)
