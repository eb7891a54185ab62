"""Which graphs a bundle has: for each its part, the names of what goes in and comes out, free axes and an example.

`Sizes` are the free axes: B items, T latent frames, S text tokens, A anchors. A graph is made with one set of them and
checked with others, so that none is baked in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from export.models.sam_audio.config import SamAudioConfig
from export.sam_audio.watermark import WatermarkPart

Axes = dict[str, dict[int, str]]
Example = Callable[["Sizes", torch.Generator], dict[str, Tensor]]


class Sizes(NamedTuple):
    """One value for each free axis."""

    batch: int
    frames: int
    tokens: int
    anchors: int


LONGEST_WINDOW = Sizes(batch=1, frames=300, tokens=8, anchors=4)
"""A window of the mode `quality`, with a phrase and two spans; live windows have 125 frames."""


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """One graph to be made.

    Args:
        axes: input name → its free axes: `B`, `T`, `S`, `A` or `hop*T`.
        example: inputs as in life for given sizes, in the order of the part's arguments.
        sixteen_bits: whether the part may be computed in 16 bits; text (T5 overflows there) and watermark may not.
        in_life: sizes as they come in use, which it is checked with besides the small ones that are every graph's.
    """

    name: str
    part: nn.Module
    axes: Axes
    outputs: tuple[str, ...]
    example: Example
    sixteen_bits: bool = False
    in_life: tuple[Sizes, ...] = ()

    @property
    def file(self) -> str:
        """Its file in the bundle."""
        return f"{self.name}.onnx"


def _noise(generator: torch.Generator, *shape: int, scale: float = 1.0) -> Tensor:
    return scale * torch.randn(shape, generator=generator)


def encoder(part: nn.Module, config: SamAudioConfig) -> Graph:
    """Sound to latents."""
    hop = config.audio_codec.hop

    def example(n: Sizes, generator: torch.Generator) -> dict[str, Tensor]:
        return {"samples": _noise(generator, n.batch, 1, hop * n.frames, scale=0.1)}

    return Graph("encoder", part, {"samples": {0: "B", 2: f"{hop}*T"}}, ("latents",), example, True)


def decoder(part: nn.Module, config: SamAudioConfig) -> Graph:
    """Latents to sound."""
    width = config.audio_codec.codebook_dim

    def example(n: Sizes, generator: torch.Generator) -> dict[str, Tensor]:
        return {"latents": _noise(generator, n.batch, n.frames, width)}

    return Graph("decoder", part, {"latents": {0: "B", 1: "T"}}, ("samples",), example, True)


def watermark(part: WatermarkPart, config: SamAudioConfig) -> Graph:
    """Sound to marked sound, with a state."""
    hop = config.audio_codec.hop

    def example(n: Sizes, generator: torch.Generator) -> dict[str, Tensor]:
        return {
            "samples": _noise(generator, n.batch, 1, hop * n.frames, scale=0.1),
            "message": torch.randint(0, 2, (n.batch, 16), generator=generator),
            "state": _noise(generator, n.batch, part.state_size, scale=0.1),
        }

    axes: Axes = {"samples": {0: "B", 2: f"{hop}*T"}, "message": {0: "B"}, "state": {0: "B"}}
    return Graph("watermark", part, axes, ("marked", "state_out"), example)


def text(part: nn.Module, vocabulary: int) -> Graph:
    """Tokens to features."""

    def example(n: Sizes, generator: torch.Generator) -> dict[str, Tensor]:
        return _words(n, vocabulary, generator)

    axes: Axes = {"tokens": {0: "B", 1: "S"}, "token_mask": {0: "B", 1: "S"}}
    return Graph("text", part, axes, ("text",), example)


def condition(part: nn.Module, config: SamAudioConfig) -> Graph:
    """Features and a time to what the evaluations at that time share."""
    width = config.text_encoder.dim

    def example(n: Sizes, generator: torch.Generator) -> dict[str, Tensor]:
        text_features = _noise(generator, n.batch, n.tokens, width, scale=0.3)
        return {"text": text_features, "time": torch.rand(n.batch, generator=generator)}

    outputs = ("keys", "values", "modulation", "final")
    return Graph("condition", part, {"text": {0: "B", 1: "S"}, "time": {0: "B"}}, outputs, example, True)


def velocity(part: nn.Module, config: SamAudioConfig, shared: Callable[..., Any]) -> Graph:
    """One evaluation; `shared`, the part of `condition`, makes the example's keys and values from text and time."""
    codec, pictures = config.audio_codec, config.vision_encoder.dim

    def example(n: Sizes, generator: torch.Generator) -> dict[str, Tensor]:
        features = _noise(generator, n.batch, n.tokens, config.text_encoder.dim, scale=0.3)
        with torch.no_grad():
            keys, values, modulation, final = shared(features, torch.rand(n.batch, generator=generator))
        return {
            "noisy": _noise(generator, n.batch, n.frames, config.channels),
            "mix": _noise(generator, n.batch, n.frames, codec.codebook_dim),
            "video": _noise(generator, n.batch, pictures, n.frames, scale=pictures**-0.5),
            "anchor_ids": torch.randint(0, config.num_anchors, (n.batch, n.anchors), generator=generator),
            "anchor_alignment": torch.randint(0, n.anchors, (n.batch, n.frames), generator=generator),
            "frame_mask": _kept(n.batch, n.frames),
            "keys": keys,
            "values": values,
            "text_mask": _kept(n.batch, n.tokens),
            "modulation": modulation,
            "final": final,
        }

    frames, tokens = {0: "B", 1: "T"}, {0: "B", 3: "S"}
    axes: Axes = {
        "noisy": frames,
        "mix": frames,
        "video": {0: "B", 2: "T"},
        "anchor_ids": {0: "B", 1: "A"},
        "anchor_alignment": frames,
        "frame_mask": frames,
        "keys": tokens,
        "values": tokens,
        "text_mask": {0: "B", 1: "S"},
        "modulation": {0: "B"},
        "final": {0: "B"},
    }
    # attention sums over all frames: what rounds harmlessly over 33 need not over a whole window
    return Graph("velocity", part, axes, ("velocity",), example, True, (LONGEST_WINDOW,))


def vision(part: nn.Module, side: int) -> Graph:
    """Pictures to features; B counts pictures."""

    def example(n: Sizes, generator: torch.Generator) -> dict[str, Tensor]:
        return {"pictures": 2 * torch.rand((n.batch, 3, side, side), generator=generator) - 1}

    return Graph("vision", part, {"pictures": {0: "B"}}, ("features",), example, True)


def spans(part: nn.Module, config: SamAudioConfig, vocabulary: int) -> Graph:
    """Latents and words to probabilities."""

    def example(n: Sizes, generator: torch.Generator) -> dict[str, Tensor]:
        latents = _noise(generator, n.batch, n.frames, config.audio_codec.codebook_dim)
        return {"latents": latents, "frame_mask": _kept(n.batch, n.frames), **_words(n, vocabulary, generator)}

    frames, tokens = {0: "B", 1: "T"}, {0: "B", 1: "S"}
    axes: Axes = {"latents": frames, "frame_mask": frames, "tokens": tokens, "token_mask": tokens}
    return Graph("spans", part, axes, ("heard",), example)


def judge(part: nn.Module, hop: int, vocabulary: int) -> Graph:
    """Mixture, result and words to scores."""

    def example(n: Sizes, generator: torch.Generator) -> dict[str, Tensor]:
        mix, separated = (_noise(generator, n.batch, 1, hop * n.frames, scale=0.1) for _ in range(2))
        return {"mix": mix, "separated": separated, **_words(n, vocabulary, generator)}

    sound, tokens = {0: "B", 2: f"{hop}*T"}, {0: "B", 1: "S"}
    axes: Axes = {"mix": sound, "separated": sound, "tokens": tokens, "token_mask": tokens}
    return Graph("judge", part, axes, ("scores",), example)


def dimensions(axes: Axes) -> dict[str, dict[int, Any]]:
    """The free axes as `torch.export` wants them; equal names are one dimension."""
    named: dict[str, Any] = {}

    def dimension(name: str) -> Any:
        times, _, letter = name.rpartition("*")
        if letter not in named:
            named[letter] = torch.export.Dim(letter)
        return int(times) * named[letter] if times else named[letter]

    return {name: {axis: dimension(label) for axis, label in free.items()} for name, free in axes.items()}


def _words(n: Sizes, vocabulary: int, generator: torch.Generator) -> dict[str, Tensor]:
    tokens = torch.randint(0, vocabulary, (n.batch, n.tokens), generator=generator)
    return {"tokens": tokens, "token_mask": _kept(n.batch, n.tokens)}


def _kept(batch: int, length: int) -> Tensor:
    """`[B, length]`: all of the first row, one less of each next; at least one."""
    kept = torch.clamp(length - torch.arange(batch), min=1)
    return torch.arange(length)[None] < kept[:, None]
