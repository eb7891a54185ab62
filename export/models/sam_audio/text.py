"""Prompts as vectors: the encoder of T5, from a local folder, through the optional package `transformers`.

T5's weights (Apache-2.0) are no part of a SAM Audio checkpoint: `google-t5/t5-base`, tokenizer files included, is
brought as a folder of its own. Nothing is ever fetched from a network.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from export.errors import MissingDependency
from export.models.sam_audio.errors import CheckpointError, MissingKeys

TOKENIZER_FILES = ("tokenizer.json", "spiece.model")
"""The forms in which a tokenizer lies beside T5 (either) and ModernBERT (the first)."""


class TextFeatures(NamedTuple):
    """`features [B, S, width]`, `keep [B, S]` true on true tokens; shorter prompts are padded on the right."""

    features: Tensor
    keep: Tensor


class TextEncoder:
    """Features of prompts, each computed once and kept."""

    def __init__(self, tokenizer: Any, model: Any, max_length: int) -> None:
        self._tokenizer = tokenizer
        self.model = model.eval()
        self._max_length = max_length
        self._known: dict[str, Tensor] = {}

    @classmethod
    def open(cls, folder: Path, max_length: int = 512, width: int | None = None) -> TextEncoder:
        """T5 and its tokenizer from a folder.

        Raises:
            MissingDependency: `transformers` is not installed.
            CheckpointError: the folder holds no T5, or one of another width than `width`.
        """
        library = transformers_for("text prompts")
        if not (folder / "config.json").is_file():
            raise CheckpointError(f"{folder}: no config.json of a T5 encoder")
        require_tokenizer(folder)
        try:
            tokenizer = library.AutoTokenizer.from_pretrained(folder, local_files_only=True)
            model, told = library.T5EncoderModel.from_pretrained(
                folder, local_files_only=True, dtype=torch.float32, output_loading_info=True
            )
        except (OSError, ValueError, RuntimeError, TypeError) as error:  # RuntimeError: weights of other shapes
            raise CheckpointError(f"{folder}: {error}") from error
        if told["missing_keys"]:  # `transformers` makes up what is missing, and only warns
            raise MissingKeys(str(folder), sorted(told["missing_keys"]))
        if width is not None and model.config.d_model != width:
            raise CheckpointError(f"{folder}: width {model.config.d_model}, the checkpoint expects {width}")
        return cls(tokenizer, model, max_length)

    @torch.no_grad()
    def of_tokens(self, ids: Tensor, keep: Tensor) -> TextFeatures:
        """Features of token numbers `[B, S]`; `keep [B, S]` true on true tokens."""
        hidden: Tensor = self.model(input_ids=ids, attention_mask=keep.to(torch.int64)).last_hidden_state
        return TextFeatures(hidden, keep.bool())

    def __call__(self, prompts: Sequence[str]) -> TextFeatures:
        """Features of prompts; `""` is allowed."""
        for prompt in dict.fromkeys(prompts):
            if prompt not in self._known:
                tokens = self._tokenizer([prompt], truncation=True, max_length=self._max_length, return_tensors="pt")
                self._known[prompt] = self.of_tokens(tokens["input_ids"], tokens["attention_mask"]).features[0]
        rows = [self._known[prompt] for prompt in prompts]
        lengths = torch.tensor([len(row) for row in rows])
        features = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
        return TextFeatures(features, torch.arange(features.shape[1])[None] < lengths[:, None])


def require_tokenizer(folder: Path) -> None:
    """Whether a text encoder's folder holds a tokenizer; where there is none, `transformers` makes up one that knows
    no words, without a word.

    Raises:
        CheckpointError: it holds none of `TOKENIZER_FILES`.
    """
    if not any((folder / name).is_file() for name in TOKENIZER_FILES):
        raise CheckpointError(f"{folder}: no tokenizer: expected {' or '.join(TOKENIZER_FILES)}, got neither")


def transformers_for(feature: str) -> Any:
    """The package `transformers`.

    Raises:
        MissingDependency: it is not installed.
    """
    try:
        import transformers
    except ImportError as error:
        raise MissingDependency("transformers", feature, "sam-audio") from error
    return transformers
