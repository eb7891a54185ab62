"""Folders as a user downloads them, with random weights in them: a SAM Audio checkpoint of a released size, and T5.

Names and shapes are those of the released files (`tests/data/sam_audio/keys_*.json`), which nobody needs to have. The
codec is scaled layer by layer as `sam_audio_sizes.random_codec` is; the picture encoder's text tower, which nothing
reads, is zeros.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.sam_audio_sizes import config_of, random_field, random_weight_norm_codec
from export.models.sam_audio.config import SamAudioConfig, VisionConfig
from export.models.sam_audio.vision import PREFIX, PictureTower, TowerSizes

KEYS = Path(__file__).parents[1] / "tests" / "data" / "sam_audio"
TOWER = "PE-Core-L14-336"
T5_BASE = {"vocab_size": 32_128, "d_model": 768, "d_kv": 64, "d_ff": 3072, "num_layers": 12, "num_heads": 12}
T5_TINY = {"vocab_size": 64, "d_model": 24, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 3}


def write_checkpoint(folder: Path, size: str, vision: bool = True) -> None:
    """`config.json` and `checkpoint.pt` of `size` (see `sam_audio_sizes`). `tiny` has no picture tower.

    Raises:
        ValueError: names or shapes are not the released checkpoint's.
        OSError: the disk.
    """
    folder.mkdir(parents=True)
    config = config_of(size)
    released = {} if size == "tiny" else _released(size)
    sees = vision and bool(released)
    if sees:
        config = replace(config, vision_encoder=VisionConfig(config.vision_encoder.dim, TOWER))
    (folder / "config.json").write_text(json.dumps(asdict(config)), encoding="utf-8")
    state = _state(config, released if sees else {})
    if released:
        _compare({name: tuple(weight.shape) for name, weight in state.items()}, released, sees)
    torch.save(state, folder / "checkpoint.pt")


def write_t5(folder: Path, size: str) -> None:
    """T5's encoder (that of t5-base but for `tiny`) and a tokenizer of letters.

    Raises:
        ImportError: `transformers` is not installed.
        OSError: the disk.
    """
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    torch.manual_seed(0)
    sizes: dict[str, Any] = dict(T5_TINY if size == "tiny" else T5_BASE)
    transformers.T5EncoderModel(transformers.T5Config(**sizes)).save_pretrained(folder)
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -4.0)]
    pieces += [(letter, -6.0) for letter in "abcdefghijklmnopqrstuvwxyz"]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=2))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    tokenizer.post_processor = processors.TemplateProcessing("$A </s>", special_tokens=[("</s>", 1)])
    library: Any = transformers
    library.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    ).save_pretrained(folder)


def _released(size: str) -> dict[str, tuple[int, ...]]:
    """Name → shape of a released checkpoint's weights; T5's, which are no part of it, left out."""
    found = json.loads((KEYS / f"keys_{size}.json").read_text(encoding="utf-8"))
    return {name: tuple(shape) for name, shape in found.items() if not name.startswith("text_encoder.")}


def _state(config: SamAudioConfig, pictures: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    codec, field = random_weight_norm_codec(config), random_field(config)
    state = {**_named(codec, "audio_codec."), **_named(field, "")}
    if not pictures:
        return state
    shapes = {name: torch.empty(shape, device="meta") for name, shape in pictures.items()}
    state |= _named(PictureTower(TowerSizes.of(config.vision_encoder, shapes)), PREFIX)
    unread = [name for name in pictures if name.startswith("vision_encoder.") and name not in state]
    return state | {name: torch.zeros(pictures[name]) for name in unread}


def _named(model: nn.Module, prefix: str) -> dict[str, Tensor]:
    return {prefix + name: weight.detach() for name, weight in model.state_dict().items()}


def _compare(made: dict[str, tuple[int, ...]], released: dict[str, tuple[int, ...]], sees: bool) -> None:
    wanted = {name: shape for name, shape in released.items() if sees or not name.startswith("vision_encoder.")}
    if made != wanted:
        other = sorted(name for name in made.keys() | wanted.keys() if made.get(name) != wanted.get(name))
        raise ValueError(f"{len(other)} weights are not the released checkpoint's: {', '.join(other[:5])} …")
