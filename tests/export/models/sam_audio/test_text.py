from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from export.errors import MissingDependency
from export.models.sam_audio.checkpoint import Checkpoint
from export.models.sam_audio.errors import CheckpointError, MissingKeys
from export.models.sam_audio.text import TextEncoder, transformers_for
from tests.export.models.sam_audio.conftest import close, parsed

PREFIX = "text_encoder.model."


@pytest.fixture(scope="module")
def folder(checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fixture's T5 as a folder of `transformers`, with a tokenizer of a few words."""
    transformers = pytest.importorskip("transformers", reason="the optional package transformers is not installed")
    tokenizers = pytest.importorskip("tokenizers")
    model = transformers.T5EncoderModel(transformers.T5Config(**parsed("config.json")["t5"]))
    own = {name[len(PREFIX) :]: weight for name, weight in checkpoint.items() if name.startswith(PREFIX)}
    model.load_state_dict(own)
    place = tmp_path_factory.mktemp("t5")
    model.save_pretrained(place)
    words = {"<pad>": 0, "</s>": 1, "<unk>": 2, "man": 3, "speaking": 4, "rain": 5}
    plain = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="<unk>"))
    plain.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    plain.post_processor = tokenizers.processors.TemplateProcessing("$A </s>", special_tokens=[("</s>", 1)])
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=plain, pad_token="<pad>", eos_token="</s>")
    fast.save_pretrained(place)
    return place


def test_features_of_the_fixture(folder: Path, reference: dict[str, Tensor]) -> None:
    encoder = TextEncoder.open(folder, width=24)
    got = encoder.of_tokens(reference["text.input_ids"], reference["text.attention_mask"])
    assert torch.equal(got.keep, reference["text.mask"])
    close(got.features[got.keep], reference["text.features"][got.keep])


def test_prompts_are_padded_on_the_right_and_do_not_touch_each_other(folder: Path) -> None:
    encoder = TextEncoder.open(folder)
    features, keep = encoder(["man speaking", "", "rain"])
    assert keep.tolist() == [[True, True, True], [True, False, False], [True, True, False]]
    close(features[2, :2], TextEncoder.open(folder)(["rain"]).features[0], 1e-6)


def test_a_folder_of_another_width_or_of_nothing_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="width 24"):
        TextEncoder.open(folder, width=768)
    with pytest.raises(CheckpointError, match=r"config\.json"):
        TextEncoder.open(tmp_path)


def test_nothing_is_made_up_for_what_is_missing(folder: Path, tmp_path: Path) -> None:
    """`transformers` gives a T5 without a tokenizer one that knows no words, and missing weights random values."""
    safetensors = pytest.importorskip("safetensors.torch")
    shutil.copytree(folder, tmp_path / "t5")
    weights = safetensors.load_file(tmp_path / "t5" / "model.safetensors")
    gone = next(name for name in sorted(weights) if "layer.0" in name)
    del weights[gone]
    safetensors.save_file(weights, tmp_path / "t5" / "model.safetensors", {"format": "pt"})
    with pytest.raises(MissingKeys) as caught:
        TextEncoder.open(tmp_path / "t5")
    assert caught.value.keys == (gone,)
    weights[gone] = torch.zeros(3)
    safetensors.save_file(weights, tmp_path / "t5" / "model.safetensors", {"format": "pt"})
    with pytest.raises(CheckpointError, match="t5: "):
        TextEncoder.open(tmp_path / "t5")
    (tmp_path / "t5" / "tokenizer.json").unlink()
    with pytest.raises(CheckpointError, match=r"no tokenizer: expected tokenizer\.json or spiece\.model, got neither"):
        TextEncoder.open(tmp_path / "t5")


def test_without_the_package_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingDependency, match=r"winnow-live\[sam-audio\]"):
        transformers_for("text prompts")
