"""A SAM Audio bundle, put together graph by graph in a folder beside its final one, which gets its name only when it
is complete."""

from __future__ import annotations

import gc
import re
import time
from collections.abc import Callable
from dataclasses import replace

from engine.errors import BadInput
from engine.spec import NAME_PATTERN, FlowSpec, ModelSpec, write_spec
from export.models.sam_audio.codec import DECODER_CONTEXT, ENCODER_CONTEXT
from export.models.sam_audio.config import SamAudioConfig
from export.models.sam_audio.spans import TOKENS
from export.sam_audio import card, modes, parity
from export.sam_audio.graphs import Graph
from export.sam_audio.onnx_file import write_graph
from export.sam_audio.order import Made, Order, Work
from export.sam_audio.precision import PRECISIONS, narrow
from export.sam_audio.sources import Source
from export.sam_audio.tensorrt import build_plan, plan_limits, require_tensorrt
from export.sam_audio.tokenizer import write_tokenizer

CODEC_GRAPHS = ("encoder", "decoder")

Tell = Callable[[str], None]


def export_bundle(order: Order, tell: Tell) -> ModelSpec:
    """Write the bundle; `tell` hears one line a graph.

    Raises:
        CheckpointError: the checkpoint or T5 cannot be used; names the file, field or keys.
        MissingDependency: a package is not installed, TensorRT among them where plans are asked for.
        PlanRefused: TensorRT could not build a plan.
        ParityError: a graph does not compute what the model computes.
        BadInput: `out` is there already, or a value of the order cannot be; before anything is done.
        OSError: the disk.
    """
    _check(order)
    source = Source.open(order.checkpoint, order.t5)
    if skipped := source.skipped(vision=source.has_vision if order.vision is None else order.vision):
        counts = ", ".join(f"{name}.* ({count})" for name, count in sorted(skipped.items()))
        tell(f"weights of the checkpoint that are not read: {counts}")
    order = replace(order, t5=source.t5, vision=source.has_vision if order.vision is None else order.vision)
    stages = source.stages(
        watermark=order.watermark, vision=bool(order.vision), spans=order.spans, judge=order.judge
    )  # fmt: skip
    with Work.open(order) as work:
        for stage in stages:
            if work.has(stage.names):
                tell(f"{', '.join(stage.names)}: there already, from the export that was cut off")
                continue
            _make(stage.open(), order, work, tell)
            gc.collect()
        _plan(order, source, work, tell)
        spec = _finish(order, source, work)
        work.deliver()
    return spec


def _make(graphs: list[Graph], order: Order, work: Work, tell: Tell) -> None:
    """All cases first: parts of one stage share weights, and are narrowed in place."""
    cases = [parity.cases_of(graph) for graph in graphs]
    for graph, wanted in zip(graphs, cases, strict=True):
        begin = time.monotonic()
        name = order.codec_precision if graph.name in CODEC_GRAPHS else order.precision
        precision = PRECISIONS[name if graph.sixteen_bits else "float32"]
        narrow(graph.part, precision)
        files = write_graph(graph, work.folder)
        found = parity.check(graph, work.folder / graph.file, wanted, precision)
        work.add(graph.name, Made(files, found))
        size_mb = sum((work.folder / file).stat().st_size for file in files) / 1e6
        said = ", ".join(f"{key} {value:g}" for key, value in found.items())
        tell(f"{graph.file}: {size_mb:.1f} MB, {time.monotonic() - begin:.0f} s; parity: {said}")


def _plan(order: Order, source: Source, work: Work, tell: Tell) -> None:
    codec = source.config.audio_codec
    for window_s in order.windows_s:
        frames = round(window_s * codec.sample_rate / codec.hop)
        name = f"velocity@{frames}"
        if not work.has((name,)):
            begin = time.monotonic()
            files = build_plan(work.folder, work.made["velocity"].files[0], frames, order.max_batch, order.precision)
            work.add(name, Made(files, {}))
            tell(f"{files[0]}: a plan for {frames} frames, {time.monotonic() - begin:.0f} s")


def _check(order: Order) -> None:
    for field in ("precision", "codec_precision"):
        if getattr(order, field) not in PRECISIONS:
            raise BadInput(field, f"one of {', '.join(PRECISIONS)}", getattr(order, field))
    if order.codec_precision == "bfloat16":
        raise BadInput("codec_precision", "float32 or float16 (bfloat16 leaves audible noise)", "bfloat16")
    if order.name is not None and re.fullmatch(NAME_PATTERN, order.name) is None:
        expected = "1 to 64 of the characters a-z 0-9 . _ -, a letter or digit first"
        raise BadInput("name", expected, order.name)
    if order.max_batch < 1:
        raise BadInput("max_batch", "at least 1", order.max_batch)
    for field in ("t5", "spans", "judge"):
        folder = getattr(order, field)
        if folder is not None and not folder.is_dir():
            raise BadInput(field, "a folder that is there", str(folder))
    if order.windows_s:
        require_tensorrt()  # before the minutes that the rest takes
    if order.out.exists() and not order.replace:
        raise BadInput("OUT", "a folder that is not there yet (or --replace)", str(order.out))


def _finish(order: Order, source: Source, work: Work) -> ModelSpec:
    """Everything that is no graph; the spec comes last."""
    folder, config = work.folder, source.config
    text = [write_tokenizer(source.t5, folder), *card.write_licence(order.checkpoint, folder, work.made)]
    for part, encoder in (("spans", order.spans), ("judge", order.judge)):
        text += [write_tokenizer(encoder, folder, f"{part}_tokenizer.json")] if encoder else []
    flow = _flow(config, order)
    measured = {key: value for made in work.made.values() for key, value in made.parity.items()}
    spec = ModelSpec(
        name=order.bundle_name,
        version="1.0.0",
        description=f"SAM Audio: {config.transformer.n_layers} layers of {config.transformer.dim}, {order.precision}.",
        licence=card.LICENCE,
        program="flow_audio",
        runtime="onnx",
        audio=flow.audio(modes.DEFAULT_MODE),
        flow=flow,
        mode=modes.DEFAULT_MODE,
        graphs={name: made.files[0] for name, made in work.made.items()},
        parity=measured,
    )
    (folder / "CARD.md").write_text(card.write_card(order, source, spec), encoding="utf-8")
    files = [file for made in work.made.values() for file in made.files]
    return write_spec(folder, spec, (*files, *text, "CARD.md"))


def _flow(config: SamAudioConfig, order: Order) -> FlowSpec:
    codec = config.audio_codec
    return FlowSpec.model_validate(
        {
            "sample_rate": codec.sample_rate,
            "frame": codec.hop,
            "latent": codec.codebook_dim,
            "video": config.vision_encoder.dim,
            "text": config.text_encoder.dim,
            "anchors": {name.strip("<>"): number for name, number in TOKENS.items()},
            "encoder_margin": ENCODER_CONTEXT,
            "decoder_margin": DECODER_CONTEXT,
            "max_tokens": config.text_encoder.max_length,
            "plans": plan_limits(order.max_batch),
            "modes": modes.MODES,
            "default_mode": modes.DEFAULT_MODE,
            "file_mode": modes.FILE_MODE,
        }
    )
