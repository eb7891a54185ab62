from __future__ import annotations

import pytest
import torch
from torch import Tensor

from export.models.sam_audio.codec import Codec
from export.models.sam_audio.watermark import CausalConv, CausalUpsampling, message_bits
from tests.export.models.sam_audio.conftest import WAVE, close


def test_marked_waveform(codec: Codec, reference: dict[str, Tensor], message: int) -> None:
    marked = codec.decode(reference["codec.dec_in"], message_bits(message, 2))
    close(marked, reference["codec.wav_watermarked"], WAVE)


def test_the_message_decides_the_sound(codec: Codec, reference: dict[str, Tensor], message: int) -> None:
    sounds = [codec.decode(reference["codec.dec_in"], message_bits(m, 2)) for m in (message, message, message ^ 1)]
    assert torch.equal(sounds[0], sounds[1])
    assert not torch.equal(sounds[0], sounds[2])


def test_the_mark_sees_no_future(codec: Codec, reference: dict[str, Tensor], message: int) -> None:
    wave, bits = reference["codec.wav_plain"], message_bits(message, 2)
    changed = wave.clone()
    changed[..., 4800:] = 0
    before, after = codec.decoder.marked(wave, bits), codec.decoder.marked(changed, bits)
    close(after[..., :4800], before[..., :4800], 1e-6)


def test_bits_are_lowest_first() -> None:
    assert message_bits(0b110, 2)[:, :4].tolist() == [[0, 1, 1, 0]] * 2


@pytest.mark.parametrize("message", [-1, 1 << 16])
def test_a_message_has_sixteen_bits(message: int) -> None:
    with pytest.raises(ValueError, match="65535"):
        message_bits(message, 1)


def test_lengths_of_causal_layers() -> None:
    x = torch.randn(1, 3, 20)
    assert CausalConv(3, 2, 8, 4)(x).shape == (1, 2, 5)
    assert CausalUpsampling(3, 2, 8, 4)(x).shape == (1, 2, 80)
