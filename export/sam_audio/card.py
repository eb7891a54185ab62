"""What a SAM Audio bundle says of itself to a person: the licence first."""

from __future__ import annotations

import shutil
from collections.abc import Container
from pathlib import Path
from typing import TYPE_CHECKING

from engine.spec import ModelSpec

if TYPE_CHECKING:
    from export.sam_audio.order import Order
    from export.sam_audio.sources import Source

LICENCE = "SAM License"
NOTE_FILE = "LICENSE.md"
COPY_FILE = "LICENSE.SAM"

WORDS = """Weights converted from a SAM Audio checkpoint stay under Meta's SAM License, which whoever makes a bundle
accepted with the checkpoint. Converting them (ONNX, 16 bits, TensorRT) changes nothing of that."""

T5_LINE = "- `text.onnx` and `tokenizer.json` are T5's (google-t5/t5-base), Apache-2.0."
SPANS_LINE = "- `spans.onnx` and `spans_tokenizer.json` are PE-A-Frame's (facebook/pe-a-frame-*), Apache-2.0."
JUDGE_LINE = "- `judge.onnx` and `judge_tokenizer.json` are SAM Audio Judge's (facebook/sam-audio-judge), SAM License."

NOTE = f"""# Licence

{WORDS}

- Passing it on is allowed under that same licence only, with a copy of it.
- The licence names uses it does not allow (among them military, nuclear, espionage, illegal weapons) and asks that
  publications acknowledge the use of SAM Audio. Read it: this summary replaces nothing.
{{parts}}
- Winnow's code, which made and runs this, is Apache-2.0. Winnow ships no SAM Audio weights.
"""


def write_licence(checkpoint: Path, folder: Path, graphs: Container[str]) -> list[str]:
    """The note on what is in a bundle of these graphs, and a copy of the checkpoint's own licence file where it has
    one; the files' names."""
    lines = [T5_LINE] + [line for name, line in (("spans", SPANS_LINE), ("judge", JUDGE_LINE)) if name in graphs]
    (folder / NOTE_FILE).write_text(NOTE.format(parts="\n".join(lines)), encoding="utf-8")
    for path in sorted(checkpoint.glob("LICENSE*")):
        if path.is_file():
            shutil.copyfile(path, folder / COPY_FILE)
            return [NOTE_FILE, COPY_FILE]
    return [NOTE_FILE]


def write_card(order: Order, source: Source, spec: ModelSpec) -> str:
    """Text of `CARD.md`."""
    assert spec.flow is not None
    config, flow = source.config, spec.flow
    transformer = config.transformer
    rows = "\n".join(
        f"| {name} | {flow.audio(name).latency_s:.2f} s | {flow.audio(name).window / flow.sample_rate:.2f} s "
        f"| {mode.solver}, {mode.steps} steps |"
        for name, mode in flow.modes.items()
    )
    measured = "\n".join(f"| {name} | {value:g} |" for name, value in spec.parity.items())
    return f"""# {spec.name}: SAM Audio, exported

**Licence: SAM License.**
{WORDS}
See `{NOTE_FILE}`.

Name a sound, get it: target out of a mixture at 48 kHz, by a short lower-case phrase ("man speaking"), spans and
pictures. A flow-matching transformer ({transformer.n_layers} layers of {transformer.dim}, {transformer.n_heads} heads)
over latents of the DACVAE codec ({flow.frame} samples a frame).
Transformer in {order.precision}, codec in {order.codec_precision}; text encoder and watermark in float32.

## Modes

| mode | algorithmic latency | window | solver |
|---|---|---|---|
{rows}

## Parity

Largest difference between the torch model and the graph on random inputs (share of the peak where that is above 1), or
`_snr_db`, signal to noise of 16 bits against float32:

| graph | found |
|---|---|
{measured}

## Limits

- Mono: stereo goes through as mid and side.
- It was trained on clips of some ten to thirty seconds; the shorter the window, the further from that.
- How well it separates, and what it was trained on: see Meta's model card. Nothing was trained or scored here.
"""
