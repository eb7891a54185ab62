"""Prompts as a `flow_audio` bundle takes them: tokens, text features, and what its transformer makes of them at a time.

A prompt's features are computed once. Its keys, values and modulation depend on the solver's time beside it, and on
nothing else; both come back in every window. They are kept on the device for each prompt and time, so that it makes no
difference in whose company a prompt comes, and put together for a batch there.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import BundleError, EngineFault
from engine.programs.base import Calls
from engine.programs.flow_kept import Kept
from engine.runtimes.graphs import Graphs, Held
from engine.spec import FlowSpec

TOKENIZER_FILE = "tokenizer.json"
EXTRA = "winnow-live[sam-audio-live]"

MOST_PHRASES = 256
"""Whose features are remembered."""

MOST_BYTES = 1 << 30
"""Of keys and values that are kept. For each token and time they are 2 · layers · dim numbers: on the base model (16
layers of 2,048, in float32) a phrase of 8 tokens takes 2.1 MB, so 69 MB for the 32 times of 16 midpoint steps
(`quality`), of which 15 have room; on the large one (22 of 2,816) 4.0 and 129 MB, of which 8 have. All who listen for
the same share it, mid and side of a stereo sound among them. A prompt of 512 tokens takes 134 MB for one time of the
base model: see `flow_kept` for who then has the room."""

MEMORY = ("keys", "values", "modulation", "final")
TOKEN_AXIS = {"keys": 3, "values": 3}
"""Of keys and values `(1, layers, heads, tokens, head)`; modulation and final layer know of no tokens."""

Memory = dict[str, Held]


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
        self._flow, self._graphs = flow, graphs
        self._tokenizer = open_tokenizer(folder, TOKENIZER_FILE, flow.max_tokens)
        self.tokens = lru_cache(MOST_PHRASES)(self._tokens)
        """Token numbers of a phrase, the closing one included."""
        self._features: OrderedDict[str, NDArray[np.float32]] = OrderedDict()
        self.kept: Kept[tuple[str, float], Memory] = Kept(most_bytes)
        """By phrase and time."""

    def _tokens(self, phrase: str) -> list[int]:
        found: list[int] = self._tokenizer.encode(phrase).ids
        return found

    def memory(self, phrases: Sequence[str], t: float) -> Calls[Memory]:
        """Feeds of the velocity graph for a batch of these prompts at a time: `keys` …, shorter prompts filled up with
        zeros, and `text_mask`, which says where they are.

        Raises:
            EngineFault: a graph failed.
        """
        made: dict[str, Memory] = {}
        for phrase in dict.fromkeys(phrases):
            made[phrase] = yield from self._one(phrase, t)
        lengths = np.array([len(self.tokens(phrase)) for phrase in phrases])
        longest = int(lengths.max())
        feeds = {
            name: self._graphs.joined([made[phrase][name] for phrase in phrases], TOKEN_AXIS.get(name), longest)
            for name in MEMORY
        }
        feeds["text_mask"] = self._graphs.hold(np.arange(longest) < lengths[:, None])
        return feeds

    def _one(self, phrase: str, t: float) -> Calls[Memory]:
        """What the transformer makes of one prompt, at its own length."""
        if (kept := self.kept.get((phrase, t))) is not None:
            return kept
        text = yield from self.features(phrase)
        made = self._graphs.keep("condition", {"text": text[None], "time": np.array([t], np.float32)})
        memory = {name: made[name] for name in MEMORY}
        self.kept.put((phrase, t), memory, sum(self._graphs.size_bytes(held) for held in memory.values()))
        yield []
        return memory

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
