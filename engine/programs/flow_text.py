"""Prompts as a `flow_audio` bundle takes them: tokens, text features, and what its transformer makes of them at a time.

A prompt's features are computed once. Keys, values and modulation depend on the prompts of a batch and on the solver's
time alone, and both come back in every window: they are kept on the device, up to a budget in bytes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import BundleError, EngineFault
from engine.programs.base import Calls
from engine.runtimes.graphs import Graphs, Held
from engine.spec import FlowSpec

TOKENIZER_FILE = "tokenizer.json"
EXTRA = "winnow-live[sam-audio-live]"

MOST_PHRASES = 256
"""Whose features are remembered."""

MOST_BYTES = 1 << 30
"""Of keys and values that are remembered, in float32. For each token and time they are 2 · layers · dim numbers: on the
base model (16 layers of 2,048) a row of 8 tokens takes 2.1 MB, so 69 MB for the 32 times of 16 midpoint steps
(`quality`); on the large one (22 of 2,816) 4.0 and 129 MB. In stereo a phrase is two rows, mid and side.

A window goes through its times in turn, so that a budget which is a little too small keeps nothing that is asked for
next: this one holds 15 rows of the base model, nearly a full batch, and 8 of the large one."""

MEMORY = ("keys", "values", "modulation", "final")


class Phrases:
    """See the module.

    Args:
        folder: the bundle.
        flow: sizes.
        graphs: with `text` and `condition`.
        most_bytes: see `MOST_BYTES`.

    Raises:
        BundleError: no tokenizer, or the package that reads it is not installed.
    """

    def __init__(self, folder: Path, flow: FlowSpec, graphs: Graphs, most_bytes: int = MOST_BYTES) -> None:
        self._flow, self._graphs, self._most_bytes = flow, graphs, most_bytes
        self._tokenizer = open_tokenizer(folder, TOKENIZER_FILE, flow.max_tokens)
        self._features: OrderedDict[str, NDArray[np.float32]] = OrderedDict()
        self._memories: OrderedDict[tuple[tuple[str, ...], float], tuple[dict[str, Held], int]] = OrderedDict()
        self._bytes = 0

    def tokens(self, phrase: str) -> list[int]:
        """Token numbers, the closing one included."""
        found: list[int] = self._tokenizer.encode(phrase).ids
        return found

    def memory(self, phrases: tuple[str, ...], t: float) -> Calls[dict[str, Held]]:
        """Feeds of the velocity graph for a batch of these prompts at a time: `keys` …, and `text_mask`.

        Raises:
            EngineFault: a graph failed.
        """
        key = (phrases, t)
        if key not in self._memories:
            text, mask = yield from self._batch(phrases)
            time = np.full(len(phrases), t, np.float32)
            made = self._graphs.keep("condition", {"text": text, "time": time})
            yield []
            feeds = {name: made[name] for name in MEMORY} | {"text_mask": self._graphs.hold(mask)}
            self._remember(key, feeds, sum(_bytes(value) for value in feeds.values()))
            return feeds
        self._memories.move_to_end(key)
        return self._memories[key][0]

    def _remember(self, key: tuple[tuple[str, ...], float], feeds: dict[str, Held], size: int) -> None:
        self._bytes += size - self._memories.pop(key, ({}, 0))[1]
        while self._memories and self._bytes > self._most_bytes:
            _, (_, gone) = self._memories.popitem(last=False)
            self._bytes -= gone
        self._memories[key] = (feeds, size)

    def _batch(self, phrases: Sequence[str]) -> Calls[tuple[NDArray[np.float32], NDArray[np.bool_]]]:
        """Features `(B, S, width)`, shorter prompts padded on the right, and which tokens are true ones `(B, S)`."""
        rows = []
        for phrase in phrases:
            rows.append((yield from self.features(phrase)))
        longest = max(len(row) for row in rows)
        text = np.zeros((len(rows), longest, self._flow.text), np.float32)
        mask = np.zeros((len(rows), longest), np.bool_)
        for number, row in enumerate(rows):
            text[number, : len(row)] = row
            mask[number, : len(row)] = True
        return text, mask

    def features(self, phrase: str) -> Calls[NDArray[np.float32]]:
        """Text features `(S, width)` of one prompt.

        Raises:
            EngineFault: the graph failed, or gave another width than the spec says.
        """
        if phrase in self._features:
            self._features.move_to_end(phrase)
        else:
            tokens = np.array([self.tokens(phrase)], np.int64)
            feeds = {"tokens": tokens, "token_mask": np.ones(tokens.shape, np.bool_)}
            made: NDArray[np.float32] = self._graphs.run("text", feeds)["text"]
            if made.shape != (*tokens.shape, self._flow.text):
                raise EngineFault(f"the graph text gave {made.shape} for {tokens.shape[1]} tokens")
            if len(self._features) >= MOST_PHRASES:
                self._features.popitem(last=False)
            self._features[phrase] = made[0]
            yield []
            return np.asarray(made[0])
        return self._features[phrase]


def _bytes(value: Held) -> int:
    shape = value.shape if isinstance(value, np.ndarray) else value.shape()
    return 4 * int(np.prod(shape))


def open_tokenizer(folder: Path, file: str, most_tokens: int) -> Any:
    """The tokenizer of a file in a bundle, which cuts what is longer than `most_tokens`.

    Raises:
        BundleError: there is none, or the package that reads it is not installed.
    """
    try:
        from tokenizers import Tokenizer  # an extra: nobody else needs it
    except ImportError as error:
        raise BundleError(folder, file, f"needs the package tokenizers: pip install '{EXTRA}'") from error
    try:
        tokenizer = Tokenizer.from_file(str(folder / file))
    except Exception as error:  # the package raises plain Exception
        raise BundleError(folder, file, f"is no tokenizer ({error})") from error
    tokenizer.no_padding()
    tokenizer.enable_truncation(most_tokens)
    return tokenizer
