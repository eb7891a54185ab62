"""The stages of an export: each opens one part of the checkpoint and says which graphs are made of it.

One stage is in memory at a time; a stage whose graphs are all there already is not opened.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from export.models.sam_audio.checkpoint import Checkpoint
from export.models.sam_audio.codec import Codec
from export.models.sam_audio.config import SamAudioConfig
from export.models.sam_audio.errors import CheckpointError, WrongField
from export.models.sam_audio.judge import Judge
from export.models.sam_audio.separator import PARTS, TOWER
from export.models.sam_audio.span_predictor import SpanPredictor
from export.models.sam_audio.text import TextEncoder
from export.models.sam_audio.velocity import VelocityField
from export.models.sam_audio.vision import PREFIX, PictureTower, TowerSizes
from export.models.sam_audio.weight_norm import fold_weight_norm
from export.sam_audio import graphs
from export.sam_audio.graphs import Graph
from export.sam_audio.parts import (
    ConditionPart,
    DecoderPart,
    EncoderPart,
    JudgePart,
    SpansPart,
    TextPart,
    VelocityPart,
    VisionPart,
)
from export.sam_audio.watermark import WatermarkPart

Model = TypeVar("Model", bound=nn.Module)

T5_NAMES = ("t5-base", "t5", "text_encoder")
"""Folders in or beside a checkpoint's where T5 is looked for."""


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """Names of graphs, and what opens their parts."""

    names: tuple[str, ...]
    open: Callable[[], list[Graph]]


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A checkpoint folder and T5's, opened for export."""

    config: SamAudioConfig
    checkpoint: Checkpoint
    t5: Path

    @classmethod
    def open(cls, folder: Path, t5: Path | None) -> Source:
        """Open both folders; every weight of codec and field is looked for before minutes are spent on the first
        graph, by name, shape and type (`weights` does so for the other parts).

        Raises:
            CheckpointError: no checkpoint in `folder`, a weight that is missing, misshapen or has no place, or no T5
                given nor beside it.
        """
        if not folder.is_dir():
            raise CheckpointError(f"{folder}: no such folder")
        source = cls(SamAudioConfig.read(folder), Checkpoint.open(folder), t5 or _t5_beside(folder))
        source.weights(vision=False, spans=None, judge=None)
        return source

    def weights(self, *, vision: bool, spans: Path | None, judge: Path | None) -> dict[str, int]:
        """Judge all that the stages will read (T5 apart, which is the first of them) without reading a weight, and
        count: how many numbers `codec`, `watermark` (apart from it), `field`, `vision`, `spans` and `judge` hold.

        Raises:
            CheckpointError: a weight that is missing, misshapen, of another type or without a place, a value of a
                configuration, or a model that does not go with this one.
            MissingDependency: `transformers` is not installed.
        """
        with torch.device("meta"):
            codec = Codec(self.config.audio_codec)
            marks = nn.ModuleList((codec.decoder.wm_model, *(m for s in codec.decoder.stages() for m in s.marks())))
            found: dict[str, nn.Module] = {"watermark": marks, "field": VelocityField(self.config)}
            self.checkpoint.require(codec, "audio_codec.")
            self.checkpoint.require(found["field"])
            if vision:
                found["vision"] = PictureTower(self._tower_sizes())
                self.checkpoint.require(found["vision"], PREFIX)
        if spans:
            found["spans"] = predictor = SpanPredictor.required(spans)
            self._check_predictor(predictor, spans)
        if judge:
            found["judge"] = judging = Judge.required(judge)
            self._check_judge(judging, judge)
        numbers = {name: _numbers(part) for name, part in found.items()}
        return {"codec": _numbers(codec) - numbers["watermark"], **numbers}

    def stages(self, *, watermark: bool, vision: bool, spans: Path | None, judge: Path | None) -> list[Stage]:
        """What to make; `spans` and `judge` are folders of PE-A-Frame and of SAM Audio Judge."""
        codec = ("encoder", "watermark", "decoder") if watermark else ("encoder", "decoder")
        found = [Stage(("text",), self._text), Stage(codec, lambda: self._codec(watermark))]
        found += [Stage(("vision",), self._vision)] if vision else []
        found += [Stage(("spans",), lambda: self._spans(spans))] if spans else []
        found += [Stage(("judge",), lambda: self._judge(judge))] if judge else []
        return [*found, Stage(("condition", "velocity"), self._field)]

    @property
    def has_vision(self) -> bool:
        """Whether the checkpoint holds the picture tower."""
        return PREFIX + "conv1.weight" in self.checkpoint

    def skipped(self, *, vision: bool) -> dict[str, int]:
        """How many weights of the checkpoint lie under each name that no stage reads."""
        return self.checkpoint.skipped(*(part for part in PARTS if vision or part != TOWER))

    def _text(self) -> list[Graph]:
        encoder = TextEncoder.open(self.t5, self.config.text_encoder.max_length, self.config.text_encoder.dim)
        return [graphs.text(TextPart(encoder.model), encoder.model.config.vocab_size)]

    def _codec(self, watermark: bool) -> list[Graph]:
        codec = self._loaded(lambda: Codec(self.config.audio_codec), "audio_codec.")
        fold_weight_norm(codec)
        codec.requires_grad_(False)
        marked = [graphs.watermark(WatermarkPart(codec), self.config)] if watermark else []
        # the watermark before the decoder, which is narrowed in place and holds its weights
        return [graphs.encoder(EncoderPart(codec), self.config), *marked,
                graphs.decoder(DecoderPart(codec), self.config)]  # fmt: skip

    def _vision(self) -> list[Graph]:
        sizes = self._tower_sizes()
        tower = self._loaded(lambda: PictureTower(sizes), PREFIX)
        part = VisionPart(tower, self.config.vision_encoder.normalize_feature)
        return [graphs.vision(part, sizes.grid * sizes.patch)]

    def _spans(self, folder: Path) -> list[Graph]:
        predictor = SpanPredictor.open(folder).requires_grad_(False)
        self._check_predictor(predictor, folder)
        return [graphs.spans(SpansPart(predictor), self.config, _vocabulary(predictor.text_model))]

    def _judge(self, folder: Path) -> list[Graph]:
        judge = Judge.open(folder).requires_grad_(False)
        self._check_judge(judge, folder)
        fold_weight_norm(judge)
        judge.requires_grad_(False)
        return [graphs.judge(JudgePart(judge), judge.audio_codec.config.hop, _vocabulary(judge.text_model))]

    def _tower_sizes(self) -> TowerSizes:
        sizes, config = TowerSizes.of(self.config.vision_encoder, self.checkpoint), self.config.vision_encoder
        if sizes.features != config.dim:
            raise WrongField("vision_encoder.dim", f"the {sizes.features} features of the picture tower", config.dim)
        return sizes

    def _check_predictor(self, predictor: SpanPredictor, folder: Path) -> None:
        ours = self.config.audio_codec.codebook_dim
        if predictor.channels != ours:
            raise CheckpointError(
                f"{folder}: hears latents of {predictor.channels} channels, but the separator's have {ours}"
            )

    def _check_judge(self, judge: Judge, folder: Path) -> None:
        own, ours = judge.audio_codec.config, self.config.audio_codec
        if (own.sample_rate, own.hop) != (ours.sample_rate, ours.hop):
            raise CheckpointError(
                f"{folder}: hears {own.sample_rate} Hz in frames of {own.hop} samples, but the separator makes "
                f"{ours.sample_rate} Hz in frames of {ours.hop}"
            )

    def _field(self) -> list[Graph]:
        field = self._loaded(lambda: VelocityField(self.config), "")
        shared = ConditionPart(field)
        return [graphs.condition(shared, self.config), graphs.velocity(VelocityPart(field), self.config, shared)]

    def _loaded(self, build: Callable[[], Model], prefix: str) -> Model:
        with torch.device("meta"):  # no memory for values that the checkpoint replaces
            model = build()
        self.checkpoint.load(model, prefix)
        return model.eval().requires_grad_(False)


def _numbers(part: nn.Module) -> int:
    return sum(weight.numel() for weight in part.parameters())


def _vocabulary(caption_model: Any) -> int:
    size: int = caption_model.config.vocab_size
    return size


def _t5_beside(folder: Path) -> Path:
    looked = [place / name for place in (folder, folder.parent) for name in T5_NAMES]
    for path in looked:
        if (path / "config.json").is_file():
            return path
    raise CheckpointError(
        f"no T5 folder: give one with --t5 (google-t5/t5-base, Apache-2.0; it is no part of the checkpoint). "
        f"Looked for: {', '.join(str(path) for path in looked)}"
    )
