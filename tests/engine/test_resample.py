"""`engine.resample`: aligned to the sample, whatever the chunks, and never later than it says."""

from __future__ import annotations

import numpy as np
import pytest

from engine.errors import BadInput
from engine.resample import StreamResampler, check_rate, common_grid, converted_count, resampling_delay
from tests.engine.streams import smooth_noise

RATES = [8000, 11025, 16000, 22050, 32000, 44100, 96000, 192000]


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("direction", ["in", "out"])
def test_a_tone_stays_where_it_is(rate: int, direction: str) -> None:
    source, target = (rate, 48_000) if direction == "in" else (48_000, rate)
    tone = np.sin(2 * np.pi * 440 * np.arange(source) / source).astype(np.float32)[None]
    resampler = StreamResampler(1, source, target)
    out = np.concatenate([resampler.push(tone[:, at : at + 441]) for at in range(0, source, 441)], axis=1)[0]
    wanted = np.sin(2 * np.pi * 440 * np.arange(len(out)) / target)
    inner = slice(target // 20, None)
    np.testing.assert_allclose(out[inner], wanted[inner], atol=2e-4)
    assert len(out) * source / target >= source - resampling_delay(source, target) - 1


@pytest.mark.parametrize("rate", [8000, 44100])
def test_chunks_do_not_matter(rate: int) -> None:
    sound = smooth_noise(rate, 2)
    whole = StreamResampler(2, rate, 48_000).push(sound)
    pieces = StreamResampler(2, rate, 48_000)
    parts = [pieces.push(sound[:, at : at + 13]) for at in range(0, rate, 13)]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)


def test_counts_round_half_up() -> None:
    assert converted_count(48_000, 48_000, 16_000) == 16_000
    assert converted_count(1, 48_000, 24_000) == 1
    assert converted_count(1, 48_000, 16_000) == 0
    assert converted_count(441, 44_100, 48_000) == 480
    assert common_grid(48_000, 44_100) == 160


@pytest.mark.parametrize("rate", [0, 7999, 192_001, -1])
def test_rates_out_of_range_are_named(rate: int) -> None:
    with pytest.raises(BadInput, match=r"audio\.sample_rate: expected a sample rate"):
        check_rate("audio.sample_rate", rate)
