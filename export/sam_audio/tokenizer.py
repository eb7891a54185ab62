"""A text encoder's tokenizer as the one file that the engine reads."""

from __future__ import annotations

import shutil
from pathlib import Path

from export.models.sam_audio.errors import CheckpointError
from export.models.sam_audio.text import transformers_for

TOKENIZER_FILE = "tokenizer.json"


def write_tokenizer(encoder: Path, folder: Path, name: str = TOKENIZER_FILE) -> str:
    """Copy `tokenizer.json` of the text encoder's folder, or make it from an older form (`spiece.model`); `name`.

    Raises:
        CheckpointError: there is no tokenizer that can be written so.
        MissingDependency: `transformers` is not installed, and needed.
    """
    if (encoder / TOKENIZER_FILE).is_file():
        shutil.copyfile(encoder / TOKENIZER_FILE, folder / name)
        return name
    library = transformers_for("an old tokenizer's file")
    try:
        tokenizer = library.AutoTokenizer.from_pretrained(encoder, local_files_only=True, use_fast=True)
        tokenizer.backend_tokenizer.save(str(folder / name))
    except (OSError, ValueError, AttributeError, ImportError, TypeError) as error:
        raise CheckpointError(f"{encoder}: no {TOKENIZER_FILE}, and none could be made: {error}") from error
    return name
