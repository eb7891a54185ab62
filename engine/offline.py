"""A whole file or array through the very same session, batcher and program as live sound.

There is no second path: what streams and what is separated at once is equal by construction.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from engine.activity import ActivityRecord, Sounding
from engine.batcher import Batcher
from engine.bundle import Bundle
from engine.concepts import ConceptSet
from engine.config import RESIDUAL, SessionConfig
from engine.errors import BadInput
from engine.frames import Piece, Samples
from engine.marked_spans import record_for
from engine.prompt import Target
from engine.session import Session

BLOCK_S = 1.28
"""Length of a pushed block in seconds: 128 hops of 10 ms, the most that one work carries."""

BLOCK_HOPS = 4
"""Least hops in a block, for models whose hops are long."""


@dataclass(frozen=True, slots=True)
class Separation:
    """What `separate` gives: per target id and for the residual `(channels, n)`, as long as the input."""

    targets: dict[str, Samples]
    residual: Samples | None
    understood: dict[str, ConceptSet]


def separate_blocks(
    bundle: Bundle,
    blocks: Iterable[Samples],
    rate: int,
    channels: int,
    targets: tuple[Target, ...],
    residual: bool = True,
    output_rate: int | None = None,
    clock: Callable[[], float] = time.perf_counter,
    record: ActivityRecord | None = None,
) -> Iterator[dict[str, Samples]]:
    """Separate a stream of blocks in constant memory.

    Args:
        bundle: the model.
        blocks: `(channels, n)` float32, any lengths.
        rate: Hz.
        channels: 1 or 2.
        targets: what to isolate.
        residual: also give what is left.
        output_rate: Hz of what comes out; None: as it came.
        record: keeps the targets' activity; its `spans` say afterwards where each sounded.

    Yields:
        Track name (`ID/target`, `residual`) → `(channels, m)`, in order and without gaps; tracks may differ in m by a
        sample, their totals do not.

    Raises:
        BadInput, UnknownPrompt, NoCapacity: as `Session`.
        EngineFault: a model step failed.
    """
    session = Session(bundle, SessionConfig(rate, channels, targets, residual, output_rate, live=False), record)
    yield from _streamed(bundle, session, blocks, clock)


def _streamed(
    bundle: Bundle, session: Session, blocks: Iterable[Samples], clock: Callable[[], float]
) -> Iterator[dict[str, Samples]]:
    batcher = Batcher(bundle.program, clock)
    batcher.add(session)
    names = {track.index: track.name for track in session.tracks}
    try:
        block_s = max(BLOCK_S, BLOCK_HOPS * bundle.spec.audio.hop_s)
        for block in _blocks_of(blocks, max(int(block_s * session.config.sample_rate), 1)):
            session.feed_audio(block, clock())
            yield from _stepped(session, batcher, names)
        session.flush(clock(), last=True)
        yield from _stepped(session, batcher, names)
    finally:
        batcher.discard(session)
        session.close()


def _blocks_of(blocks: Iterable[Samples], length: int) -> Iterator[Samples]:
    """The same samples in blocks of `length` (the last may be shorter): each is then one work of the longest kind."""
    held: list[Samples] = []
    count = 0
    for block in blocks:
        start = 0
        while count + block.shape[1] - start >= length:
            end = start + length - count
            yield np.concatenate([*held, block[:, start:end]], axis=1) if held else block[:, start:end]
            held, count, start = [], 0, end
        if start < block.shape[1]:
            # A copy: the caller may fill the same array again.
            held.append(block[:, start:].copy())
            count += block.shape[1] - start
    if held:
        yield np.concatenate(held, axis=1)


def _stepped(session: Session, batcher: Batcher, names: dict[int, str]) -> Iterator[dict[str, Samples]]:
    batcher.ready(session)
    while batcher.pending:
        batcher.step()
        if session.failed is not None:
            raise session.failed
        if pieces := [piece for piece in session.take() if piece.samples.shape[1]]:
            yield _by_name(pieces, names)


def _by_name(pieces: list[Piece], names: dict[int, str]) -> dict[str, Samples]:
    found: dict[str, list[Samples]] = {}
    for piece in pieces:
        found.setdefault(names[piece.track], []).append(piece.samples)
    return {name: parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1) for name, parts in found.items()}


def separate(
    bundle: Bundle,
    samples: Samples,
    rate: int,
    targets: tuple[Target, ...],
    residual: bool = True,
    progress: Callable[[float], None] | None = None,
) -> Separation:
    """Separate an array `(channels, n)`.

    Args:
        progress: called with the share done, 0–1.

    Raises:
        BadInput: the array's shape or type; and as `separate_blocks`.
    """
    if samples.ndim != 2 or samples.shape[0] not in (1, 2):
        raise BadInput("samples", "shape (1 or 2, n)", samples.shape)
    channels, count = samples.shape
    session = Session(bundle, SessionConfig(rate, channels, targets, residual, live=False))
    parts: dict[str, list[Samples]] = {track.name: [samples[:, :0]] for track in session.tracks}
    done = 0
    for made in _streamed(bundle, session, [samples], time.perf_counter):
        for name, part in made.items():
            parts[name].append(part)
        done += next(iter(made.values())).shape[1]
        if progress is not None:
            progress(min(done / max(count, 1), 1.0))
    whole = {name: np.concatenate(found, axis=1) for name, found in parts.items()}
    taken = {target.id: whole[f"{target.id}/target"] for target in targets}
    return Separation(taken, whole.get(RESIDUAL), session.understood)


def predict_spans(
    bundle: Bundle, samples: Samples, rate: int, targets: tuple[Target, ...]
) -> dict[str, tuple[Sounding, ...]]:
    """Where each target sounds in an array `(channels, n)`, by target id; empty for "everything but …".

    Raises:
        BadInput, UnknownPrompt, NoCapacity, EngineFault: as `separate`; field `predict_spans`: the model cannot tell.
    """
    if not bundle.vocabulary.tells_activity:
        raise BadInput("predict_spans", "a model that tells when a target sounds", bundle.spec.name)
    if samples.ndim != 2 or samples.shape[0] not in (1, 2):
        raise BadInput("samples", "shape (1 or 2, n)", samples.shape)
    record = record_for(bundle)
    targets = tuple(replace(target, predict_spans=True) for target in targets)
    for _ in separate_blocks(bundle, [samples], rate, len(samples), targets, residual=False, record=record):
        pass  # what is heard is not wanted here
    spans = record.spans(samples.shape[1] / rate)
    return {target.id: spans.get(target.id, ()) for target in targets}
