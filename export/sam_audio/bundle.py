"""A SAM Audio bundle, put together graph by graph in a folder beside its final one, which gets its name only when it
is complete."""

from __future__ import annotations

import errno
import gc
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from engine.spec import SPEC_FILE, FlowSpec, ModelSpec, write_spec
from export.models.sam_audio.codec import DECODER_CONTEXT, ENCODER_CONTEXT
from export.models.sam_audio.config import SamAudioConfig
from export.models.sam_audio.errors import CheckpointError, DiskFull
from export.models.sam_audio.spans import TOKENS
from export.sam_audio import card, modes, parity
from export.sam_audio.beforehand import check_order, check_out, check_room, needed_bytes
from export.sam_audio.graphs import Graph
from export.sam_audio.onnx_file import write_graph
from export.sam_audio.order import Made, Order, Work
from export.sam_audio.precision import PRECISIONS, narrow
from export.sam_audio.sources import Source
from export.sam_audio.tensorrt import build_plan, plan_limits
from export.sam_audio.tokenizer import TOKENIZER_FILE, read_tokenizer

CODEC_GRAPHS = ("encoder", "decoder")

Tell = Callable[[str], None]


def export_bundle(order: Order, tell: Tell) -> ModelSpec:
    """Write the bundle; `tell` hears one line a graph.

    Raises:
        CheckpointError: the checkpoint, T5, span predictor or judge cannot be used; names the file, field or keys.
        MissingDependency: a package is not installed, TensorRT among them where plans are asked for.
        PlanRefused: TensorRT could not build a plan.
        ParityError: a graph does not compute what the model computes.
        BadInput: `out` may not be written, or a value of the order cannot be; before anything is done.
        DiskFull: there is not the room, before the first graph or after all.
        OSError: the disk.
    """
    order = replace(order, out=Path(os.path.abspath(order.out)))
    check_order(order)
    source = Source.open(order.checkpoint, order.t5)
    if skipped := source.skipped(vision=source.has_vision if order.vision is None else order.vision):
        counts = ", ".join(f"{name}.* ({count})" for name, count in sorted(skipped.items()))
        tell(f"weights of the checkpoint that are not read: {counts}")
    order = replace(order, t5=source.t5, vision=source.has_vision if order.vision is None else order.vision)
    check_out(order)  # T5's folder may be another now
    needed = needed_bytes(source.weights(vision=bool(order.vision), spans=order.spans, judge=order.judge), order)
    flow, tokenizers = _flow(source.config, order), _tokenizers(order)
    stages = source.stages(
        watermark=order.watermark, vision=bool(order.vision), spans=order.spans, judge=order.judge
    )  # fmt: skip
    with Work.open(order) as work, _room_told(work, needed):
        if work.lost:
            tell(f"{', '.join(work.lost)}: not as the export that was cut off had written, so made again")
        check_room(work.folder, needed - work.written_bytes)
        for stage in stages:
            if work.has(stage.names):
                tell(f"{', '.join(stage.names)}: there already, from the export that was cut off")
                continue
            _make(stage.open(), order, work, tell)
            gc.collect()
        _plan(order, source, work, tell)
        spec = _finish(order, source, work, flow, tokenizers)
        check_out(order)  # somebody may have put something there since
        work.deliver((SPEC_FILE, *spec.artifacts))
    return spec


@contextmanager
def _room_told(work: Work, needed: int) -> Iterator[None]:
    """A disk that is full after all says which and how much was wanted: the system's own error names no folder."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        wanted = max(needed - work.written_bytes, 0)
        raise DiskFull(work.folder, wanted, shutil.disk_usage(work.folder).free) from error


def _tokenizers(order: Order) -> dict[str, bytes]:
    """File of the bundle → what it will hold; here, and not in the end, so that a missing one is said at once."""
    encoders = {TOKENIZER_FILE: order.t5, "spans_tokenizer.json": order.spans, "judge_tokenizer.json": order.judge}
    return {name: read_tokenizer(encoder) for name, encoder in encoders.items() if encoder is not None}


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


def _finish(
    order: Order, source: Source, work: Work, flow: FlowSpec, tokenizers: Mapping[str, bytes]
) -> ModelSpec:  # fmt: skip
    """Everything that is no graph; the spec comes last."""
    folder, config = work.folder, source.config
    for name, content in tokenizers.items():
        (folder / name).write_bytes(content)
    text = [*tokenizers, *card.write_licence(order.checkpoint, folder, work.made)]
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
    """Raises CheckpointError: the sizes are none that the engine takes."""
    try:
        flow = FlowSpec.model_validate(_flow_fields(config, order))
        for mode in flow.modes:
            flow.audio(mode)
    except ValidationError as error:
        (first, *_) = error.errors()
        place = ".".join(str(part) for part in first["loc"])
        raise CheckpointError(f"{order.checkpoint}: no bundle can say {place}: {first['msg']}") from error
    return flow


def _flow_fields(config: SamAudioConfig, order: Order) -> dict[str, Any]:
    codec = config.audio_codec
    return {
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
