from __future__ import annotations

from pathlib import Path

import pytest

from export.models.sam_audio.errors import CheckpointError
from export.sam_audio.tokenizer import write_tokenizer


def test_the_folders_own_file_is_taken(folders: Path, tmp_path: Path) -> None:
    assert write_tokenizer(folders / "t5-base", tmp_path, "spans_tokenizer.json") == "spans_tokenizer.json"
    wanted = (folders / "t5-base" / "tokenizer.json").read_bytes()
    assert (tmp_path / "spans_tokenizer.json").read_bytes() == wanted


def test_a_folder_without_one_is_named(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="transformers (extra sam-audio) is not installed")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match="empty"):
        write_tokenizer(tmp_path / "empty", tmp_path)
