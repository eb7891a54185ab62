from __future__ import annotations

import pytest
import torch
from torch import Tensor

from export.models.sam_audio.codec import DECODER_CONTEXT, ENCODER_CONTEXT, Codec, whole_frames
from tests.export.models.sam_audio.conftest import LATENT, WAVE, close


@pytest.fixture(scope="module")
def encoded(codec: Codec, reference: dict[str, Tensor]) -> dict[str, Tensor]:
    stages: dict[str, Tensor] = {}
    stages["latent"] = codec.encode(reference["codec.wav"], stages.__setitem__)
    return stages


@pytest.fixture(scope="module")
def decoded(codec: Codec, reference: dict[str, Tensor]) -> dict[str, Tensor]:
    stages: dict[str, Tensor] = {}
    stages["wave"] = codec.decode(reference["codec.dec_in"], watch=stages.__setitem__)
    return stages


@pytest.mark.parametrize("stage", [0, 1, 4, 6])
def test_encoder_stage(stage: int, encoded: dict[str, Tensor], reference: dict[str, Tensor]) -> None:
    wanted = reference[f"codec.encoder.block{stage}"]
    close(encoded[f"block{stage}"][..., : wanted.shape[-1]], wanted)


def test_latent(encoded: dict[str, Tensor], reference: dict[str, Tensor]) -> None:
    close(encoded["latent"], reference["codec.latent"])


@pytest.mark.parametrize("stage", range(5))
def test_decoder_stage(stage: int, decoded: dict[str, Tensor], reference: dict[str, Tensor]) -> None:
    wanted = reference[f"codec.decoder.model{stage}.head64"]
    close(decoded[f"model{stage}"][..., : wanted.shape[-1]], wanted)


def test_waveform(decoded: dict[str, Tensor], reference: dict[str, Tensor]) -> None:
    close(decoded["wave"], reference["codec.wav_plain"], WAVE)


def test_there_and_back(codec: Codec, reference: dict[str, Tensor]) -> None:
    close(codec(reference["codec.wav"]), reference["codec.roundtrip_plain"], WAVE)


def test_a_piece_with_its_context_is_as_in_the_whole(codec: Codec) -> None:
    torch.manual_seed(0)
    hop, frames = codec.config.hop, 24
    wave = torch.randn(1, 1, hop * frames)
    whole = codec.encode(wave)
    first, last = 9, 12
    piece = wave[..., hop * (first - ENCODER_CONTEXT) : hop * (last + ENCODER_CONTEXT)]
    close(codec.encode(piece)[..., ENCODER_CONTEXT:-ENCODER_CONTEXT], whole[..., first:last], LATENT)
    piece = whole[..., first - DECODER_CONTEXT : last + DECODER_CONTEXT]
    sound = codec.decode(piece)[..., hop * DECODER_CONTEXT : -hop * DECODER_CONTEXT]
    close(sound, codec.decode(whole)[..., hop * first : hop * last], WAVE)


@pytest.mark.parametrize("length", [1, 959, 960, 961, 1919, 1920, 1921, 4000])
def test_any_length_makes_whole_frames(length: int, codec: Codec) -> None:
    wave = torch.randn(1, 1, length)
    padded = whole_frames(wave, 1920)
    assert padded.shape[-1] == -(-length // 1920) * 1920
    assert torch.equal(padded[..., :length], wave)
    assert codec(wave).shape == padded.shape
