"""The fixture of `tests/data/sam_audio`: random weights at tiny sizes, and what the reference made of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from export.models.sam_audio.checkpoint import Checkpoint
from export.models.sam_audio.codec import Codec
from export.models.sam_audio.config import SamAudioConfig
from export.models.sam_audio.spans import Span
from export.models.sam_audio.velocity import VelocityField

DATA = Path(__file__).parents[3] / "data" / "sam_audio"

LATENT, WAVE = 1e-5, 2e-5
"""How far a latent or velocity, and a waveform, may lie from the reference's."""


def close(got: Tensor, wanted: Tensor, atol: float = LATENT) -> None:
    """Equal within an absolute tolerance alone."""
    torch.testing.assert_close(got, wanted, rtol=0, atol=atol)


def arrays(name: str) -> dict[str, Tensor]:
    """An `.npz` of the fixture."""
    with np.load(DATA / name) as stored:
        return {key: torch.from_numpy(stored[key]) for key in stored.files}


def weights(name: str) -> Checkpoint:
    """A `.safetensors` of the fixture."""
    from safetensors.torch import load_file

    return Checkpoint(name, load_file(DATA / name))


def parsed(name: str) -> Any:
    """A `.json` of the fixture."""
    return json.loads((DATA / name).read_text(encoding="utf-8"))


def shapes(module: nn.Module, prefix: str = "") -> dict[str, list[int]]:
    """Name → shape of all of a module's weights."""
    return {prefix + name: list(weight.shape) for name, weight in module.state_dict().items()}


@pytest.fixture(scope="session")
def reference() -> dict[str, Tensor]:
    """Inputs, inner values and outputs of the reference."""
    return arrays("sam_audio_tiny.npz")


@pytest.fixture(scope="session")
def config() -> SamAudioConfig:
    """The tiny sizes."""
    return SamAudioConfig.from_dict(parsed("config.json")["config"])


@pytest.fixture(scope="session")
def message() -> int:
    """The sixteen bits the reference marked its sound with."""
    return sum(bit << place for place, bit in enumerate(parsed("config.json")["watermark_message"]))


@pytest.fixture(scope="session")
def spans() -> list[list[Span]]:
    """The spans of batch A."""
    return [[Span(*span) for span in item] for item in parsed("anchors.json")]


@pytest.fixture(scope="session")
def checkpoint() -> Checkpoint:
    """The tiny random weights under their released names."""
    return weights("sam_audio_tiny.safetensors")


@pytest.fixture(scope="session")
def codec(config: SamAudioConfig, checkpoint: Checkpoint) -> Codec:
    """The codec with the tiny weights."""
    model = Codec(config.audio_codec).requires_grad_(False).eval()
    checkpoint.load(model, "audio_codec.")
    return model.requires_grad_(False)


@pytest.fixture(scope="session")
def field(config: SamAudioConfig, checkpoint: Checkpoint) -> VelocityField:
    """The velocity field with the tiny weights."""
    model = VelocityField(config).eval()
    checkpoint.load(model)
    return model.requires_grad_(False)
