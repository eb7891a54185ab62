"""A text encoder's tokenizer as the one file that the engine reads."""

from __future__ import annotations

from pathlib import Path

from export.errors import MissingDependency
from export.models.sam_audio.errors import CheckpointError
from export.models.sam_audio.text import require_tokenizer, transformers_for

TOKENIZER_FILE = "tokenizer.json"


def read_tokenizer(encoder: Path) -> bytes:
    """`tokenizer.json` of the text encoder's folder, or made from an older form (`spiece.model`); it was tried.

    Raises:
        CheckpointError: there is no tokenizer that can be written so.
        MissingDependency: `tokenizers` is not installed, or `transformers` is not, and needed.
    """
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise MissingDependency("tokenizers", "a tokenizer's file", "sam-audio") from error
    path = encoder / TOKENIZER_FILE
    if path.is_file():
        found = path.read_bytes()
        try:
            Tokenizer.from_buffer(found)
        except Exception as error:  # the library has no class of its own for this
            raise CheckpointError(f"{path}: {error}") from error
        return found
    require_tokenizer(encoder)
    library = transformers_for("an old tokenizer's file")
    try:
        tokenizer = library.AutoTokenizer.from_pretrained(encoder, local_files_only=True, use_fast=True)
        text: str = tokenizer.backend_tokenizer.to_str()
    except (OSError, ValueError, AttributeError, ImportError, TypeError) as error:
        raise CheckpointError(f"{encoder}: no {TOKENIZER_FILE}, and none could be made: {error}") from error
    return text.encode()
