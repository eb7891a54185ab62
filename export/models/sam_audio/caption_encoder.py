"""ModernBERT as the span predictor and the judge ask it: one inner layer's state at the first token.

Through the optional package `transformers`, built from a configuration; its weights lie in the part's own checkpoint
under `text_model.`, its tokenizer in a folder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from export.models.sam_audio.config import whole_of
from export.models.sam_audio.errors import CheckpointError, WrongField
from export.models.sam_audio.text import require_tokenizer, transformers_for


def caption_model(raw: Mapping[str, Any], feature: str) -> nn.Module:
    """An empty ModernBERT of the sizes in a `config.json`.

    Raises:
        CheckpointError: sizes that `transformers` cannot build.
        MissingDependency: `transformers` is not installed.
    """
    library = transformers_for(feature)
    sizes = {name: value for name, value in raw.items() if name not in ("attn_implementation", "reference_compile")}
    try:
        config = library.ModernBertConfig(**sizes, attn_implementation="sdpa")
        model: nn.Module = library.ModernBertModel(config)
    except Exception as error:  # whatever a size of another type or of zero runs into
        raise CheckpointError(f"{feature}: text_model in config.json: {error}") from error
    return model


def text_layer_of(raw: Mapping[str, Any], model: Any, source: str) -> int:
    """`nth_text_layer` of a `config.json`.

    Raises:
        CheckpointError: it is missing, no number, or beyond the model's last layer.
    """
    layer, layers = whole_of(raw, "nth_text_layer", source), model.config.num_hidden_layers
    if layer > layers:
        raise WrongField(f"{source}: nth_text_layer", f"one of text_model's layers (0 to {layers})", layer)
    return layer


def first_token(model: nn.Module, layer: int, ids: Tensor, keep: Tensor | None) -> Tensor:
    """The state after `layer` layers at the first token, `ids [B, S]` → `[B, C]`."""
    out = model(input_ids=ids, attention_mask=keep, output_hidden_states=True)
    state: Tensor = out.hidden_states[layer][:, 0]
    return state


def caption_tokens(folder: Path, captions: Sequence[str], feature: str) -> tuple[Tensor, Tensor]:
    """Token numbers and mask `[B, S]` of captions, by the tokenizer in a folder.

    Raises:
        CheckpointError: no tokenizer in the folder.
        MissingDependency: `transformers` is not installed.
    """
    library = transformers_for(feature)
    require_tokenizer(folder)
    try:
        tokenizer = library.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{folder}: {error}") from error
    tokens = tokenizer(list(captions), padding=True, truncation=True, max_length=512, return_tensors="pt")
    return tokens["input_ids"], tokens["attention_mask"]
