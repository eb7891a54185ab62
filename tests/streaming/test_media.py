"""PCM on the wire: exact both ways, cut anywhere, honest about clipping."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import BadInput
from engine.frames import Samples
from streaming.media import ENCODINGS, Encoding, PcmDecoder, encode_pcm


def noise(channels: int, count: int, seed: int = 0) -> Samples:
    return np.random.default_rng(seed).uniform(-1, 1, (channels, count)).astype(np.float32)


@pytest.mark.parametrize("channels", [1, 2])
def test_every_s16_value_survives_the_round_trip(channels: int) -> None:
    data = np.repeat(np.arange(-32768, 32768, dtype="<i2"), channels).tobytes()
    samples = PcmDecoder("pcm_s16le", channels).decode(data)
    assert samples.shape == (channels, 65536)
    assert samples.dtype == np.float32
    assert encode_pcm(samples, "pcm_s16le") == (data, 0)


@pytest.mark.parametrize("channels", [1, 2])
def test_f32_is_bit_exact_and_writable(channels: int) -> None:
    samples = noise(channels, 333) * 3
    data, clipped = encode_pcm(samples, "pcm_f32le")
    back = PcmDecoder("pcm_f32le", channels).decode(data)
    assert clipped == 0
    np.testing.assert_array_equal(back, samples)
    assert back.flags.c_contiguous
    back += 1  # a view of the message would refuse this


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("channels", [1, 2])
@settings(max_examples=30)
@given(cuts=st.lists(st.integers(0, 400), max_size=12))
def test_a_message_may_end_anywhere(encoding: Encoding, channels: int, cuts: list[int]) -> None:
    data, _ = encode_pcm(noise(channels, 50), encoding)
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    decoder = PcmDecoder(encoding, channels)
    pieces = [decoder.decode(data[a:b]) for a, b in pairwise(edges)]
    whole = PcmDecoder(encoding, channels).decode(data)
    np.testing.assert_array_equal(np.concatenate(pieces, axis=1), whole)
    assert decoder.pending == 0


def test_odd_bytes_wait_and_are_reported() -> None:
    decoder = PcmDecoder("pcm_s16le", 2)
    assert decoder.frame_bytes == 4
    assert decoder.decode(b"").shape == (2, 0)
    assert decoder.decode(b"\x00\x40\x00").shape == (2, 0)
    assert decoder.pending == 3
    np.testing.assert_array_equal(decoder.decode(b"\xc0\x00"), [[0.5], [-0.5]])
    assert decoder.pending == 1


def test_clipping_is_counted_and_nan_becomes_silence() -> None:
    samples = np.array([[1.0, -1.0, 1.5, -2.0, np.nan, np.inf, -np.inf, 0.25]], np.float32)
    data, clipped = encode_pcm(samples, "pcm_s16le")
    assert np.frombuffer(data, "<i2").tolist() == [32767, -32768, 32767, -32768, 0, 32767, -32768, 8192]
    assert clipped == 6  # all but -1 and 0.25


def test_s16_rounds_to_the_nearest_step() -> None:
    samples = np.array([[0.4, 0.6, -0.6]], np.float32) / np.float32(32768)
    assert np.frombuffer(encode_pcm(samples, "pcm_s16le")[0], "<i2").tolist() == [0, 1, -1]


@pytest.mark.parametrize(
    ("encoding", "channels", "field"), [("pcm_s24le", 1, "encoding"), ("pcm_s16le", 3, "channels")]
)
def test_refusals_name_the_field(encoding: str, channels: int, field: str) -> None:
    with pytest.raises(BadInput) as caught:
        PcmDecoder(encoding, channels)
    assert caught.value.field == field
