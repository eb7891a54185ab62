"""The graphs of a `flow_audio` bundle in batches: sound → latents, noise → latents of target and residual, → sound.

What is alike in length goes into one call, up to `MOST_ROWS`; every call is followed by a turn for the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from engine.programs.base import Calls
from engine.programs.flow_noise import frame_noise
from engine.programs.flow_solver import solving
from engine.programs.flow_text import Phrases
from engine.runtimes.graphs import Graphs
from engine.spec import FlowMode, FlowSpec

Floats = NDArray[np.float32]
T = TypeVar("T")

MOST_ROWS = 16
"""Rows of one call: above that a GPU has long been busy, and others wait for their turn."""

GRAPHS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "encoder": (("samples",), ("latents",)),
    "decoder": (("latents",), ("samples",)),
    "text": (("tokens", "token_mask"), ("text",)),
    "condition": (("text", "time"), ("keys", "values", "modulation", "final")),
    "velocity": (
        (
            "noisy", "mix", "video", "anchor_ids", "anchor_alignment", "frame_mask", "keys", "values", "text_mask",
            "modulation", "final",
        ),
        ("velocity",),
    ),
}  # fmt: skip
"""Graph → inputs and outputs."""

WATERMARK = "watermark"
"""A graph that a bundle may have: `samples`, `message`, `state` → `marked`, `state_out`."""

_ALIGNED = np.array([0, 2, 3], np.int64)
"""Place of a hint (unknown, on, off) in `_anchor_ids`."""


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One mono sound in one window, and who is listened for.

    Attributes:
        phrase: in words; may be empty where `video` says it.
        first: absolute number of the window's first frame.
        mix: latents `(frames, latent)`.
        marks: hint of each frame `(frames,)`, or None where nothing is known.
        seed: of the noise.
        video: features `(video, frames)` of a visual prompt, or None.
    """

    phrase: str
    first: int
    mix: Floats
    marks: NDArray[np.int8] | None = None
    seed: int = 0
    video: Floats | None = None


class FlowField:
    """See the module.

    Args:
        graphs: the bundle's.
        flow: sizes.
        phrases: for the prompts.
        mode: which solver, and how many steps.
    """

    def __init__(self, graphs: Graphs, flow: FlowSpec, phrases: Phrases, mode: FlowMode) -> None:
        self._graphs, self._flow, self._phrases, self._mode = graphs, flow, phrases, mode
        anchors = flow.anchors
        self._anchor_ids = np.array([anchors["null"], anchors["pad"], anchors["+"], anchors["-"]], np.int64)
        self.marks = graphs.has(WATERMARK)
        """Whether the bundle can mark its sound."""
        self._mark_state = graphs.width(WATERMARK, "state") if self.marks else 0

    def encode(self, sounds: Sequence[Floats]) -> Calls[list[Floats]]:
        """Latents `(n, latent)` of sounds `(n · frame,)`.

        Raises:
            EngineFault: a graph failed.
        """
        made: dict[int, Floats] = {}
        for numbers in _alike(sounds, len):
            batch = np.stack([sounds[number] for number in numbers])[:, None]
            latents = self._graphs.run("encoder", {"samples": batch})["latents"]
            made.update(zip(numbers, latents, strict=True))
            yield []
        return [made[number] for number in range(len(sounds))]

    def decode(self, latents: Sequence[Floats]) -> Calls[list[Floats]]:
        """Sounds `(n · frame,)` of latents `(n, latent)`.

        Raises:
            EngineFault: a graph failed.
        """
        made: dict[int, Floats] = {}
        for numbers in _alike(latents, len):
            batch = np.stack([latents[number] for number in numbers])
            samples = self._graphs.run("decoder", {"latents": batch})["samples"]
            made.update(zip(numbers, samples[:, 0], strict=True))
            yield []
        return [made[number] for number in range(len(latents))]

    def mark(
        self, sounds: Sequence[Floats], states: Sequence[Floats | None], message: int
    ) -> Calls[list[tuple[Floats, Floats]]]:
        """Sounds of whole frames with `message` (0 … 65535) marked into them, and the states to go on from.

        Args:
            states: what the pieces before gave; None at a stream's beginning.

        Raises:
            EngineFault: the graph failed.
        """
        made: dict[int, tuple[Floats, Floats]] = {}
        bits = np.array([message >> bit & 1 for bit in range(16)], np.int64)
        fresh = np.zeros(self._mark_state, np.float32)
        for numbers in _alike(sounds, len):
            found = [states[number] for number in numbers]
            told = self._graphs.run(WATERMARK, {
                "samples": np.stack([sounds[number] for number in numbers])[:, None],
                "message": np.repeat(bits[None], len(numbers), axis=0),
                "state": np.stack([fresh if state is None else state for state in found]),
            })  # fmt: skip
            made.update(zip(numbers, zip(told["marked"][:, 0], told["state_out"], strict=True), strict=True))
            yield []
        return [made[number] for number in range(len(sounds))]

    def solve(self, rows: Sequence[Row]) -> Calls[list[Floats]]:
        """Latents of target and residual side by side, `(frames, 2 · latent)`, of each row.

        Raises:
            EngineFault: a graph failed.
        """
        made: dict[int, Floats] = {}
        lengths = [len(self._phrases.tokens(row.phrase)) for row in rows]
        order = sorted(range(len(rows)), key=lambda number: lengths[number])
        for places in _alike(order, lambda number: len(rows[number].mix)):
            for numbers in _companies([order[place] for place in places], lengths, self._flow.plans.most_tokens):
                solved = yield from self._solved([rows[number] for number in numbers])
                made.update(zip(numbers, solved, strict=True))
        return [made[number] for number in range(len(rows))]

    def _solved(self, rows: Sequence[Row]) -> Calls[Floats]:
        flow, frames = self._flow, len(rows[0].mix)
        feeds = {name: self._graphs.hold(array) for name, array in self._window(rows, frames).items()}
        phrases = tuple(row.phrase for row in rows)
        graph = self._graph(phrases, frames)
        steps = solving(
            self._mode.solver,
            self._mode.steps,
            np.stack([frame_noise(row.seed, row.first, frames, 2 * flow.latent) for row in rows]),
        )
        t, noisy = next(steps)
        while True:
            memory = yield from self._phrases.memory(phrases, t)
            velocity = self._graphs.run(graph, {"noisy": noisy, **feeds, **memory})["velocity"]
            yield []
            try:
                t, noisy = steps.send(velocity)
            except StopIteration as end:
                solved: Floats = end.value
                return solved

    def _graph(self, phrases: tuple[str, ...], frames: int) -> str:
        """The plan for windows of that many frames, where it runs here and takes such a batch; else the plain graph."""
        plan, limits = f"velocity@{frames}", self._flow.plans
        if len(phrases) > limits.most_rows or not self._graphs.runs(plan):
            return "velocity"
        longest = max(len(self._phrases.tokens(phrase)) for phrase in set(phrases))
        return plan if longest <= limits.most_tokens else "velocity"

    def _window(self, rows: Sequence[Row], frames: int) -> dict[str, NDArray[np.generic]]:
        """What every evaluation of a window is fed beside the prompt."""
        count = len(rows)
        alignment = np.zeros((count, frames), np.int64)
        video = np.zeros((count, self._flow.video, frames), np.float32)
        for number, row in enumerate(rows):
            if row.marks is not None:
                alignment[number] = _ALIGNED[row.marks]
            if row.video is not None:
                video[number] = row.video
        return {
            "mix": np.stack([row.mix for row in rows]),
            "video": video,
            "anchor_ids": np.repeat(self._anchor_ids[None], count, axis=0),
            "anchor_alignment": alignment,
            "frame_mask": np.ones((count, frames), np.bool_),
        }


def _alike(items: Sequence[T], length: Callable[[T], int]) -> Iterator[list[int]]:
    """Numbers of the items in batches of equal length."""
    groups: dict[int, list[int]] = {}
    for number, item in enumerate(items):
        groups.setdefault(length(item), []).append(number)
    for numbers in groups.values():
        for begin in range(0, len(numbers), MOST_ROWS):
            yield numbers[begin : begin + MOST_ROWS]


def _companies(numbers: Sequence[int], lengths: Sequence[int], short: int) -> Iterator[list[int]]:
    """Rows, those with the shortest prompts first, parted where a long one would have the others filled up with zeros
    to its length: to at most `short` tokens, or twice their own."""
    begin = 0
    for place, number in enumerate(numbers):
        if lengths[number] > max(short, 2 * lengths[numbers[begin]]):
            yield list(numbers[begin:place])
            begin = place
    yield list(numbers[begin:])
