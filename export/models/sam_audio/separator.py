"""SAM Audio from a checkpoint folder: sounds and prompts in, target and residual out.

Codec, velocity field and text encoder are loaded at once; the picture tower when the first visual prompt comes, the
span predictor when spans are first to be predicted. Whole clips at a time: attention runs over all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from engine.errors import BadInput
from export.models.sam_audio.checkpoint import Checkpoint
from export.models.sam_audio.codec import Codec
from export.models.sam_audio.config import SamAudioConfig
from export.models.sam_audio.noise import frame_noise
from export.models.sam_audio.prompt import Conditions, Prompt, conditions_of, frames_kept
from export.models.sam_audio.solver import Solver
from export.models.sam_audio.span_predictor import SpanPredictor
from export.models.sam_audio.spans import Span
from export.models.sam_audio.text import TextEncoder, TextFeatures
from export.models.sam_audio.velocity import VelocityField
from export.models.sam_audio.vision import PREFIX, PictureTower, TowerSizes
from export.models.sam_audio.watermark import BITS, message_bits

Model = TypeVar("Model", bound=nn.Module)

TOWER = PREFIX.removesuffix(".")
PARTS = ("audio_codec", "transformer", "proj", "memory_proj", "align_masked_video", "embed_anchors", TOWER)
"""What is read of a checkpoint."""


@dataclass(frozen=True, slots=True, eq=False)
class Separated:
    """Per item `[n]` at 48 kHz, as long as its input; `latent [2 B, codebook_dim, T]` (target, residual, target …), the
    noise it came from and the spans that took part."""

    target: list[Tensor]
    residual: list[Tensor]
    latent: Tensor
    noise: Tensor
    spans: list[tuple[Span, ...]]


class SamAudio:
    """One checkpoint on one device, in float32."""

    def __init__(
        self,
        config: SamAudioConfig,
        checkpoint: Checkpoint,
        text: Callable[[Sequence[str]], TextFeatures],
        predictor: Path | None = None,
        device: str = "cpu",
    ) -> None:
        self.config, self._checkpoint, self._text = config, checkpoint, text
        self._predictor_folder, self._device = predictor, torch.device(device)
        self.codec = self._loaded(lambda: Codec(config.audio_codec), "audio_codec.")
        self.field = self._loaded(lambda: VelocityField(config), "")

    @classmethod
    def open(cls, folder: Path, t5: Path, predictor: Path | None = None, device: str = "cpu") -> SamAudio:
        """A checkpoint folder, T5's folder, and that of PE-A-Frame where spans are to be predicted.

        Raises:
            CheckpointError: a folder cannot be used; see `Checkpoint.load`.
            MissingDependency: `transformers` (or `safetensors`, for such a file) is not installed.
        """
        config = SamAudioConfig.read(folder)
        text = TextEncoder.open(t5, config.text_encoder.max_length, config.text_encoder.dim)
        return cls(config, Checkpoint.open(folder), text, predictor, device)

    @property
    def skipped(self) -> dict[str, int]:
        """How many weights of the checkpoint lie under names that nothing here reads."""
        return self._checkpoint.skipped(*PARTS)

    @cached_property
    def tower(self) -> PictureTower:
        """The picture tower."""
        sizes = TowerSizes.of(self.config.vision_encoder, self._checkpoint)
        return self._loaded(lambda: PictureTower(sizes), PREFIX)

    @cached_property
    def predictor(self) -> SpanPredictor:
        """The span predictor."""
        if self._predictor_folder is None:
            raise BadInput("predict_spans", "a folder with PE-A-Frame given when the model was opened", None)
        return SpanPredictor.open(self._predictor_folder).to(self._device)

    def _loaded(self, build: Callable[[], Model], prefix: str) -> Model:
        with torch.device("meta"):  # no memory for values that the checkpoint replaces
            model = build()
        self._checkpoint.load(model, prefix)
        return model.to(self._device).eval().requires_grad_(False)

    def _pictures(self, pictures: Tensor) -> Tensor:
        vision = self.config.vision_encoder
        return self.tower.features(pictures, vision.batch_size, vision.normalize_feature)

    @torch.no_grad()
    def separate(
        self,
        waves: Sequence[Tensor],
        prompts: Sequence[Prompt],
        *,
        solver: Solver | None = None,
        seed: int = 0,
        noise: Tensor | None = None,
        watermark: bool = True,
        message: int | None = None,
        predict_spans: bool = False,
    ) -> Separated:
        """Separate each of `waves` (`[channels, n]` at 48 kHz, mixed down) by its prompt.

        Args:
            solver: the reference's 16 midpoint steps if None.
            seed: decides the noise, each frame's for itself, and the message.
            noise: `[B, T, 2 · codebook_dim]` in place of the seed's.
            watermark: whether the sound carries the model's watermark.
            message: its sixteen bits, 0 … 65535; the seed's lowest if None.
            predict_spans: mark where the text is heard, for prompts that mark nothing themselves.

        Raises:
            BadInput: no waves, another number of prompts, a wave that is empty, not finite or of another shape.
        """
        lengths = _checked(waves, prompts)
        codec = self.config.audio_codec
        keep = frames_kept(lengths, codec.hop).to(self._device)
        mix = self.codec.encode(self._batch(waves)).transpose(1, 2)
        if predict_spans:  # before the conditions are gathered, so that what is predicted takes part
            prompts = self._with_predicted_spans(prompts, mix, keep)
        conditions = conditions_of(prompts, keep, self.config, self._text, self._pictures)
        if noise is None:
            one = frame_noise(seed, 0, keep.shape[1], self.config.channels)
            noise = one.expand(len(waves), -1, -1)
        latent = self.solve(mix, conditions, noise.to(self._device), solver or Solver())
        bits = None
        if watermark:
            bits = message_bits(seed % (1 << BITS) if message is None else message, len(latent)).to(self._device)
        sound = self.codec.decode(latent, bits)[:, 0]
        return Separated(
            [row[:length] for row, length in zip(sound[0::2], lengths, strict=True)],
            [row[:length] for row, length in zip(sound[1::2], lengths, strict=True)],
            latent,
            noise,
            [prompt.spans for prompt in prompts],
        )

    @torch.no_grad()
    def solve(self, mix: Tensor, conditions: Conditions, noise: Tensor, solver: Solver) -> Tensor:
        """From latents of the mixture `[B, T, codebook_dim]` and noise `[B, T, 2 · codebook_dim]` to latents of target
        and residual in turn, `[2 B, codebook_dim, T]`."""
        context = self.field.context(torch.cat([mix, mix], -1), conditions.video, conditions.anchors)

        def velocity(t: float, noisy: Tensor) -> Tensor:
            times = torch.full((len(noisy),), t, device=noisy.device)
            memory = self.field.memory(times, conditions.text.features, conditions.text.keep)
            out: Tensor = self.field(noisy, times, context, memory, conditions.keep)
            return out

        both = solver.solve(velocity, noise).transpose(1, 2)
        return both.reshape(-1, self.config.audio_codec.codebook_dim, both.shape[-1])

    def _batch(self, waves: Sequence[Tensor]) -> Tensor:
        """`[B, 1, longest]`: mean over channels, silence after the shorter ones."""
        mono = [wave.to(self._device, torch.float32).mean(0) for wave in waves]
        return torch.nn.utils.rnn.pad_sequence(mono, batch_first=True)[:, None]

    def _with_predicted_spans(self, prompts: Sequence[Prompt], mix: Tensor, keep: Tensor) -> list[Prompt]:
        codec = self.config.audio_codec
        found = self.predictor.spans(mix, keep, [prompt.text for prompt in prompts], codec.hop / codec.sample_rate)
        return [
            prompt if prompt.spans else prompt.with_spans(spans) for prompt, spans in zip(prompts, found, strict=True)
        ]


def _checked(waves: Sequence[Tensor], prompts: Sequence[Prompt]) -> list[int]:
    """The lengths of the waves."""
    if not waves or len(waves) != len(prompts):
        raise BadInput("prompts", "as many as waves, and at least one", (len(waves), len(prompts)))
    for number, wave in enumerate(waves):
        if wave.ndim != 2 or wave.shape[0] == 0 or wave.shape[1] == 0:
            raise BadInput(f"waves.{number}", "shape [channels, n], neither zero", tuple(wave.shape))
        if not bool(torch.isfinite(wave).all()):
            raise BadInput(f"waves.{number}", "finite samples", "NaN or infinity")
    return [wave.shape[1] for wave in waves]
