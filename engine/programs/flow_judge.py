"""How well a separation was done, without a reference: the bundle's judge hears mixture and result and reads the words.

Its four scores are means over the latent frames of what it hears.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.errors import EngineFault
from engine.programs.flow_text import open_tokenizer
from engine.runtimes.graphs import Graphs
from engine.spec import FlowSpec

Floats = NDArray[np.float32]

JUDGE, JUDGE_TOKENIZER_FILE = "judge", "judge_tokenizer.json"
"""A graph that a bundle may have: `mix`, `separated [B, 1, frame · T]`, `tokens`, `token_mask [B, S]` →
`scores [B, 4]`; and its words."""


class Scores(NamedTuple):
    """What the judge says, each about 1 to 5, in the graph's order.

    Attributes:
        overall: the separation as a whole.
        recall: how much of what was asked for is there.
        precision: how little of anything else is.
        faithfulness: how alike it sounds to what it is in the mixture.
    """

    overall: float
    recall: float
    precision: float
    faithfulness: float


class Judge:
    """See the module.

    Args:
        folder: the bundle.
        graphs: with `JUDGE`.
        flow: sizes.

    Raises:
        BundleError: no tokenizer of the judge's.
    """

    def __init__(self, folder: Path, graphs: Graphs, flow: FlowSpec) -> None:
        self._graphs, self._frame = graphs, flow.frame
        self._tokenizer = open_tokenizer(folder, JUDGE_TOKENIZER_FILE, flow.max_tokens)

    def scores(self, phrase: str, mix: Floats, separated: Floats) -> Scores:
        """Of `separated (n,)` out of `mix (n,)`, both mono at the model's rate. The longer, the more memory it takes.

        Raises:
            EngineFault: the graph failed, or gave something else than four finite numbers.
        """
        tokens = np.array([self._tokenizer.encode(phrase).ids], np.int64)
        told = self._graphs.run(JUDGE, {
            "mix": self._whole(mix),
            "separated": self._whole(separated),
            "tokens": tokens,
            "token_mask": np.ones(tokens.shape, np.bool_),
        })["scores"]  # fmt: skip
        if told.shape != (1, len(Scores._fields)) or not np.isfinite(told).all():
            raise EngineFault(f"the graph {JUDGE} gave {told.tolist()} in place of {len(Scores._fields)} scores")
        return Scores(*(float(score) for score in told[0]))

    def _whole(self, sound: Floats) -> Floats:
        """`(1, 1, frame · T)`: a last frame that is cut short goes on as its mirror image, as in the codec."""
        missing = -len(sound) % self._frame
        padded = np.pad(sound, (0, missing), mode="reflect" if missing < len(sound) else "constant")
        return np.asarray(padded[None, None], np.float32)
