"""Where a run begins: from nothing, where it was left (--resume), or from the weights of another one (--from).

What the command line asks for is judged here before anything is decoded or made, which takes minutes.
"""

from __future__ import annotations

import argparse
import logging
import shutil
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional

from engine.errors import BadInput
from export.command_line import require_folder
from export.errors import MissingDependency
from export.models.linear import LinearConfig
from export.models.queried import Config, QueriedSeparator, as_options
from export.train import checkpoint, general_midi, procedural
from export.train.concepts import vocabulary
from export.train.corpus import read_manifest, split

logger = logging.getLogger("winnow.export")

NAMED = 8
"""How many words a message names."""
LATEST = "latest.pt"
"""A run's checkpoint, in its folder."""


def check(options: argparse.Namespace) -> dict[str, Any] | None:
    """See whether the run that is asked for can begin, as far as can be told in a second; makes its folder. Returns the
    checkpoint that it begins with, none where it begins from nothing.

    Raises:
        BadInput: it cannot; names the option or the file.
        MissingDependency: an option needs a library that is not installed.
    """
    if options.device == "cuda" and not torch.cuda.is_available():
        raise BadInput("--device", "cpu, for torch finds no CUDA device here", "cuda")
    latest = options.runs / LATEST
    if latest.exists() and not options.resume:
        expected = f"a folder without {LATEST} (--resume goes on from it, another --runs begins anew beside it)"
        raise BadInput("--runs", expected, str(latest))
    content = open_beginning(options)
    _check_libraries(options)
    trained_on = set(vocabulary(split(read_manifest(options.data))[0]))
    if options.resume and content:
        _require_words(options, content["concepts"], trained_on, trained_on | _words_made(options))
    require_folder("--runs", options.runs)
    return content


def open_beginning(options: argparse.Namespace) -> dict[str, Any] | None:
    """The checkpoint that the run begins with; none where it begins from nothing.

    Raises:
        BadInput: it cannot be read, is of another core than is asked for, or has weights that are no numbers.
    """
    if not options.resume and options.start is None:
        return None
    path = options.runs / LATEST if options.resume else options.start
    content = checkpoint.load(path)
    theirs, asked = checkpoint.config(content), options.config
    if theirs != asked and (options.resume or not _hears_more(asked, theirs)):
        raise BadInput("--resume" if options.resume else "--from", _a_core(path, asked), as_options(theirs))
    checkpoint.require_finite(content["model" if options.resume else "ema"], f"{path}: weights")
    return content


def require_words(options: argparse.Namespace, before: Sequence[str], now: Sequence[str]) -> None:
    """See whether a run that is gone on with has the words it began with: its vectors are told apart by their place.

    Raises:
        BadInput: it has not; names the words.
    """
    _require_words(options, before, set(now), set(now))
    if list(before) != list(now):
        raise BadInput("--resume", "the words of the run in their order (--from finds each by its name)", list(before))


def take_weights(model: QueriedSeparator, start: QueriedSeparator) -> tuple[list[str], list[str]]:
    """Put another model's weights into one of the same core, each concept vector by its word; what the other one does
    not know keeps the vector it has, and phases that it did not hear count for nothing at first. Returns (words that
    are new, words that are dropped)."""
    weights = start.core.state_dict()
    if more := model.phase_bins - start.phase_bins:
        weights["bands_in.weight"] = functional.pad(weights["bands_in.weight"], (0, 2 * more))
    model.core.load_state_dict(weights)
    rows = {word: row for row, word in enumerate(start.concepts)}
    with torch.no_grad():
        for row, word in enumerate(model.concepts):
            if word in rows:
                model.vectors[row] = start.vectors[rows[word]]
    new = [word for word in model.concepts if word not in rows]
    return new, sorted(rows.keys() - set(model.concepts))


def _hears_more(asked: Config, theirs: Config) -> bool:
    """Whether the one hears phases where the other hears none, and all else is the same."""
    if not isinstance(asked, LinearConfig) or not isinstance(theirs, LinearConfig):
        return False
    return theirs.phase_bins == 0 and replace(asked, phase_bins=0) == theirs


def _a_core(path: Path, asked: Config) -> str:
    return f"a checkpoint of {as_options(asked)} ({path} has another core)"


def _require_words(options: argparse.Namespace, before: Sequence[str], now: Collection[str],
                   possible: Collection[str]) -> None:  # fmt: skip
    """`now` are words that the data surely has, `possible` those that it may have."""
    new, gone = sorted(set(now) - set(before)), sorted(set(before) - set(possible))
    if new or gone:
        differ = "; ".join(f"{what}: {_few(words)}" for what, words in (("new", new), ("gone", gone)) if words)
        expected = f"data with the words that the run began with ({differ}; --from takes over those in common)"
        raise BadInput("--resume", expected, str(options.data))


def _few(words: Sequence[str]) -> str:
    return ", ".join(words[:NAMED]) + (f" and {len(words) - NAMED} more" if len(words) > NAMED else "")


def _words_made(options: argparse.Namespace) -> set[str]:
    """Words that synthetic sounds may answer to (which of them a soundfont can play is only known when it has)."""
    words = {kind.label for kind in procedural.KINDS}
    if options.sing:
        words.add("singing")
    if options.soundfont:
        played = {instrument.label for instrument in general_midi.INSTRUMENTS}
        words |= {*played, *general_midi.STROKES, *general_midi.HITS, "music"}
    return words


def _check_libraries(options: argparse.Namespace) -> None:
    if options.soundfont is not None:
        try:
            with options.soundfont.open("rb") as file:
                head = file.read(12)
        except OSError as error:
            raise BadInput("--soundfont", "a soundfont", f"{options.soundfont}: {error.strerror}") from error
        if head[:4] != b"RIFF":
            raise BadInput("--soundfont", "a soundfont (.sf2)", str(options.soundfont))
        _require_library(
            "fluidsynth", "pyfluidsynth", "--soundfont", "midi", "; its own library: apt install libfluidsynth3"
        )
    if options.compile and not any(map(shutil.which, ("g++", "clang++"))):
        raise BadInput("--compile", "a C++ compiler (apt install g++)", "neither g++ nor clang++")
    if options.sing:
        _require_library("pyworld", "pyworld", "--sing", "sing")


def _require_library(module: str, package: str, option: str, extra: str, beside: str = "") -> None:
    try:
        __import__(module)
    except ImportError as error:  # its reason is told: what is missing may be a library that the package needs itself
        raise MissingDependency(package, f"{option} ({error}{beside})", extra) from error
