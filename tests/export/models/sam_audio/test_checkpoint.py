from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from torch import Tensor

from export.models.sam_audio.checkpoint import Checkpoint
from export.models.sam_audio.codec import Codec
from export.models.sam_audio.config import SamAudioConfig
from export.models.sam_audio.errors import CheckpointError, MissingKeys, UnexpectedKeys, WrongKind, WrongShape
from export.models.sam_audio.separator import PARTS
from export.models.sam_audio.velocity import VelocityField
from export.models.sam_audio.vision import PREFIX, PictureTower, TowerSizes
from tests.export.models.sam_audio.conftest import parsed, shapes

RELEASED = {"small": (1536, 12, 12), "base": (2048, 16, 16), "large": (2816, 22, 22)}
"""dim, heads and layers of the key lists; a real checkpoint brings its own `config.json`."""

NOT_OURS = re.compile(r"text_encoder\.|vision_encoder\.model\.(?!visual\.)")
"""T5, which the lists show for completeness, and the unused text tower of the vision encoder."""


@pytest.fixture
def state(checkpoint: Checkpoint) -> dict[str, Tensor]:
    return dict(checkpoint)


def released(size: str) -> SamAudioConfig:
    """The sizes behind a key list."""
    raw = parsed("config.json")["config"]
    dim, heads, layers = RELEASED[size]
    raw["transformer"] |= {"dim": dim, "n_heads": heads, "n_layers": layers, "context_dim": dim, "out_channels": 256}
    raw["audio_codec"] |= {"encoder_dim": 64, "decoder_dim": 1536, "latent_dim": 1024, "codebook_dim": 128}
    raw["text_encoder"]["dim"] = 768
    raw["vision_encoder"] |= {"dim": 1024, "name": "PE-Core-L14-336"}
    return SamAudioConfig.from_dict(raw | {"in_channels": 768, "anchor_embedding_dim": 128})


@pytest.mark.parametrize("size", [*RELEASED, "tiny"])
def test_names_and_shapes_are_those_of_the_released_checkpoints(size: str, config: SamAudioConfig) -> None:
    listed = {name: shape for name, shape in parsed(f"keys_{size}.json").items() if not NOT_OURS.match(name)}
    sizes = config if size == "tiny" else released(size)
    with torch.device("meta"):
        weights = {name: torch.empty(shape) for name, shape in listed.items()}
        tower = TowerSizes.of(sizes.vision_encoder, weights, (2, 2) if size == "tiny" else None)
        built = shapes(Codec(sizes.audio_codec), "audio_codec.") | shapes(VelocityField(sizes))
        built |= shapes(PictureTower(tower), PREFIX)
    assert built == listed


def test_the_small_model_has_the_parameters_that_others_count() -> None:
    with torch.device("meta"):
        field, codec = VelocityField(released("small")), Codec(released("small").audio_codec)
    assert sum(weight.numel() for weight in field.transformer.parameters()) == pytest.approx(492.09e6, rel=1e-4)
    assert sum(weight.numel() for weight in codec.parameters()) == pytest.approx(107.67e6, rel=1e-3)


def test_both_files_and_both_spellings_are_one(state: dict[str, Tensor], codec: Codec, tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors.torch")
    renamed = {
        name.replace("weight_g", "parametrizations.weight.original0").replace(
            "weight_v", "parametrizations.weight.original1"
        ): weight
        for name, weight in state.items()
    }
    for folder, stored in (("old", state), ("new", renamed)):
        (tmp_path / folder).mkdir()
        torch.save(stored, tmp_path / folder / "checkpoint.pt")
        (tmp_path / folder / "s").mkdir()
        safetensors.save_file(stored, tmp_path / folder / "s" / "model.safetensors")
    for folder in ("old", "new", "old/s", "new/s"):
        opened = Checkpoint.open(tmp_path / folder)
        with torch.device("meta"):
            other = Codec(codec.config)
        opened.load(other, "audio_codec.")
        for name, weight in other.state_dict().items():
            assert torch.equal(weight, codec.state_dict()[name])


def test_half_precision_loads_as_float32(state: dict[str, Tensor], codec: Codec) -> None:
    half = Checkpoint("half", {name: weight.to(torch.bfloat16) for name, weight in state.items()})
    other = Codec(codec.config)
    half.load(other, "audio_codec.")
    assert {weight.dtype for weight in other.state_dict().values()} == {torch.float32}


def test_missing_weights_are_all_listed(state: dict[str, Tensor], field: VelocityField) -> None:
    gone = ("memory_proj.bias", "transformer.layers.1.attention.wq.weight")
    for name in gone:
        del state[name]
    with pytest.raises(MissingKeys) as caught:
        Checkpoint("cut", state).load(VelocityField(field.config))
    assert sorted(caught.value.keys) == sorted(gone)


def test_a_wrong_shape_names_key_expected_and_got(state: dict[str, Tensor], field: VelocityField) -> None:
    state["memory_proj.bias"] = torch.zeros(7)
    with pytest.raises(WrongShape, match=r"memory_proj\.bias: expected shape \[48\], got \[7\]"):
        Checkpoint("bent", state).load(VelocityField(field.config))


def test_a_weight_too_many_in_a_part_is_no_secret(state: dict[str, Tensor], field: VelocityField) -> None:
    state["transformer.layers.3.attention.wq.weight"] = torch.zeros(1)
    with pytest.raises(UnexpectedKeys, match=r"layers\.3"):
        Checkpoint("more", state).load(VelocityField(field.config))


def test_unknown_prefixes_are_skipped_and_reported(state: dict[str, Tensor], field: VelocityField) -> None:
    state["text_ranker.clap.weight"] = torch.zeros(1)
    opened = Checkpoint("ranked", state)
    opened.load(VelocityField(field.config))
    skipped = opened.skipped(*PARTS)
    assert (skipped["text_encoder"], skipped["text_ranker"]) == (20, 1)
    assert "text_encoder" not in opened.skipped(*PARTS, "text_encoder")
    named = Checkpoint("named", {name: torch.zeros(1) for name in ("a.b.c", "a.b.d", "a.x", "a.y.z", "ab.c", "e")})
    assert named.skipped("a.b") == {"a.x": 1, "a.y": 1, "ab": 1, "e": 1}
    assert named.skipped("a", "e") == {"ab": 1}
    assert named.skipped() == {"a": 4, "ab": 1, "e": 1}


def test_shapes_and_types_are_judged_before_a_weight_is_read(
    state: dict[str, Tensor], field: VelocityField, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    safetensors = pytest.importorskip("safetensors.torch")
    safetensors.save_file(
        state | {"proj.bias": torch.zeros(47), "memory_proj.bias": torch.zeros(1)}, tmp_path / "model.safetensors"
    )
    with torch.device("meta"):
        model = VelocityField(field.config)
    opened = Checkpoint.open(tmp_path)
    monkeypatch.setattr(Checkpoint, "__getitem__", lambda *_: pytest.fail("a weight was read"))
    with pytest.raises(WrongShape, match=r"proj\.bias: expected shape \[48\], got .* \(and 1 more of another shape\)"):
        opened.require(model)


@pytest.mark.parametrize("kind", [torch.int32, torch.float8_e4m3fn])
@pytest.mark.parametrize("stored", ["safetensors", "pt"])
def test_weights_that_are_no_numbers_of_ours_are_named(
    kind: torch.dtype, stored: str, state: dict[str, Tensor], field: VelocityField, tmp_path: Path
) -> None:
    narrow = {name: weight.to(kind) for name, weight in state.items()}
    if stored == "pt":
        torch.save(narrow, tmp_path / "checkpoint.pt")
    else:
        pytest.importorskip("safetensors.torch").save_file(narrow, tmp_path / "model.safetensors")
    with pytest.raises(WrongKind, match=r"expected float32, float16 or bfloat16, got .* more$") as caught:
        Checkpoint.open(tmp_path).load(VelocityField(field.config))
    assert set(caught.value.keys) == set(field.state_dict())
    assert len(str(caught.value)) < 600


def test_the_old_format_of_pytorch_is_read_too(state: dict[str, Tensor], field: VelocityField, tmp_path: Path) -> None:
    torch.save(state, tmp_path / "checkpoint.pt", _use_new_zipfile_serialization=False)
    other = VelocityField(field.config)
    Checkpoint.open(tmp_path).load(other)
    assert torch.equal(other.proj.weight, state["proj.weight"])
    content = (tmp_path / "checkpoint.pt").read_bytes()
    (tmp_path / "checkpoint.pt").write_bytes(content[: len(content) // 2])
    with pytest.raises(CheckpointError, match=r"checkpoint\.pt"):
        Checkpoint.open(tmp_path)
    torch.save({"weight": re.compile("x")}, tmp_path / "checkpoint.pt", _use_new_zipfile_serialization=False)
    with pytest.raises(CheckpointError, match="nothing in it was run"):
        Checkpoint.open(tmp_path)


def test_a_file_that_would_run_code_is_not_opened(tmp_path: Path) -> None:
    torch.save({"weight": re.compile("x")}, tmp_path / "checkpoint.pt")
    with pytest.raises(CheckpointError):
        Checkpoint.open(tmp_path)


def test_a_folder_without_weights_and_a_broken_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="neither"):
        Checkpoint.open(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"no such thing")
    with pytest.raises(CheckpointError, match=r"model\.safetensors"):
        Checkpoint.open(tmp_path)
