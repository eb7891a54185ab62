"""The tiny checkpoint of `tests/data/sam_audio` as folders of the kind that `winnow export sam-audio` takes.

python -m tests.export.tiny_sam_audio FOLDER    # FOLDER/sam-audio-tiny, FOLDER/t5-base, FOLDER/judge and FOLDER/spans
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import torch

DATA = Path(__file__).parents[1] / "data" / "sam_audio"
TEXT = "text_encoder.model."


def write_checkpoint(folder: Path) -> Path:
    """Tiny random weights and their `config.json`; the picture tower's heads are in no released file, so said there."""
    from safetensors.torch import load_file, save_file

    folder.mkdir(parents=True, exist_ok=True)
    config = json.loads((DATA / "config.json").read_text(encoding="utf-8"))["config"]
    config["vision_encoder"]["heads"] = [2, 2]
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    own = {name: weight for name, weight in _weights(load_file).items() if not name.startswith(TEXT)}
    save_file(own, folder / "model.safetensors")
    return folder


def write_t5(folder: Path) -> Path:
    """The fixture's T5 with a tokenizer like the real one: pieces with scores, spaces as ▁, `</s>` at the end."""
    import transformers
    from safetensors.torch import load_file

    sizes = json.loads((DATA / "config.json").read_text(encoding="utf-8"))["t5"]
    model = transformers.T5EncoderModel(transformers.T5Config(**sizes))
    every = _weights(load_file)
    model.load_state_dict({name[len(TEXT) :]: weight for name, weight in every.items() if name.startswith(TEXT)})
    model.save_pretrained(folder)
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=_tokenizer(sizes["vocab_size"]), pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )
    tokenizer.save_pretrained(folder)
    return folder


def write_judge(folder: Path) -> Path:
    """The fixture's judge, with the tokenizer of the tiny T5."""
    return _written(folder, "judge_tiny")


def write_spans(folder: Path) -> Path:
    """The fixture's PE-A-Frame, with the tokenizer of the tiny T5."""
    return _written(folder, "span_tiny")


def _written(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    raw = json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))["config"]
    (folder / "config.json").write_text(json.dumps(raw), encoding="utf-8")
    shutil.copyfile(DATA / f"{name}.safetensors", folder / "model.safetensors")
    shutil.copyfile(DATA / "bundle" / "tokenizer.json", folder / "tokenizer.json")
    return folder


def _weights(load_file: Any) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = load_file(DATA / "sam_audio_tiny.safetensors")
    return found


def _tokenizer(size: int) -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    letters = [(letter, -6.0) for letter in "abcdefghijklmnopqrstuvwxyz"]
    words = [(word, -3.0) for word in ("▁man", "▁speaking", "▁speech", "▁rain", "▁dog", "▁music", "ing", "er", "th")]
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -4.0), *letters, *words]
    pieces += [(f"<extra_id_{number}>", 0.0) for number in range(size - len(pieces))]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=2))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    tokenizer.post_processor = processors.TemplateProcessing("$A </s>", special_tokens=[("</s>", 1)])
    return tokenizer


if __name__ == "__main__":
    target = Path(sys.argv[1])
    write_checkpoint(target / "sam-audio-tiny")
    write_t5(target / "t5-base")
    write_judge(target / "judge")
    write_spans(target / "spans")
