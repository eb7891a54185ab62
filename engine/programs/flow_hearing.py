"""Where a phrase sounds, frame by frame, before it is taken out: the bundle's span predictor on the mixture's latents.

What it finds marks the frames of a window as a caller's spans would.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.programs.base import Calls
from engine.programs.flow_text import open_tokenizer
from engine.runtimes.graphs import Graphs

Floats = NDArray[np.float32]

SPANS, SPANS_TOKENIZER_FILE = "spans", "spans_tokenizer.json"
"""A graph that a bundle may have: `latents`, `frame_mask`, `tokens`, `token_mask` → `heard [B, T]`; and its words."""

HEARD_ABOVE = 0.3
"""Probability from which on a frame counts as one in which the phrase sounds: the predictor's own threshold."""


class Hearing:
    """See the module.

    Args:
        folder: the bundle.
        graphs: with `SPANS`.
        most_tokens: of a phrase.

    Raises:
        BundleError: no tokenizer of the predictor's.
    """

    def __init__(self, folder: Path, graphs: Graphs, most_tokens: int) -> None:
        self._graphs = graphs
        self._tokenizer = open_tokenizer(folder, SPANS_TOKENIZER_FILE, most_tokens)

    def hear(self, phrases: Sequence[str], mixes: Sequence[Floats]) -> Calls[list[Floats]]:
        """Probability of each frame `(frames,)` that a phrase sounds in a mixture's latents `(frames, latent)`.

        Raises:
            EngineFault: the graph failed.
        """
        found = []
        for phrase, mix in zip(phrases, mixes, strict=True):
            tokens = np.array([self._tokenizer.encode(phrase).ids], np.int64)
            told = self._graphs.run(SPANS, {
                "latents": mix[None],
                "frame_mask": np.ones((1, len(mix)), np.bool_),
                "tokens": tokens,
                "token_mask": np.ones(tokens.shape, np.bool_),
            })  # fmt: skip
            found.append(np.asarray(told["heard"][0], np.float32))
            yield []
        return found
