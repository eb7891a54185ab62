from __future__ import annotations

from pathlib import Path

import pytest

from export.models.sam_audio.errors import CheckpointError
from export.sam_audio.tokenizer import read_tokenizer


def test_the_folders_own_file_is_taken(folders: Path) -> None:
    assert read_tokenizer(folders / "t5-base") == (folders / "t5-base" / "tokenizer.json").read_bytes()


def test_a_folder_without_one_is_named(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="transformers (extra sam-audio) is not installed")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match="empty"):
        read_tokenizer(tmp_path / "empty")


@pytest.mark.parametrize("content", ["", "{", "{}", "\xff"])
def test_a_file_that_is_none_is_named(content: str, tmp_path: Path) -> None:
    pytest.importorskip("tokenizers", reason="tokenizers (extra sam-audio) is not installed")
    (tmp_path / "tokenizer.json").write_text(content, encoding="latin-1")
    with pytest.raises(CheckpointError, match=r"tokenizer\.json: "):
        read_tokenizer(tmp_path)
