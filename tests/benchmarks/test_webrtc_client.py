"""The measuring peers measure: a known delay is found to the sample, whatever the network did to the stream."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.webrtc_client import FRAME, FRAME_S, sample_delays, unique_sound
from benchmarks.webrtc_loopback import recovery_s

RATE = 48_000


def test_a_known_delay_is_found_to_the_sample() -> None:
    sound = unique_sound(2.0)
    sent_s = [50.0 + index * FRAME_S for index in range(100)]
    lag = 120  # samples by which the codecs are behind
    heard = []
    for index in range(1, 90):
        begin = index * FRAME - lag
        noise = 0.002 * np.random.default_rng(index).standard_normal(FRAME)
        heard.append((sent_s[index] + 0.007, (sound[0, begin : begin + FRAME] + noise).astype(np.float32)))
    delays = sample_delays(heard, sent_s, sound)
    assert len(delays) == 89
    for _, delay_s in delays:
        # One packet is off already: only what the path adds, and the codecs' lag.
        assert delay_s == pytest.approx(0.007 + lag / RATE, abs=1e-9)


def test_a_stream_that_jumps_is_followed_and_made_up_sound_left_out() -> None:
    sound = unique_sound(2.0)
    sent_s = [50.0 + index * FRAME_S for index in range(100)]
    heard = []
    for index in range(40):
        late = 0 if index < 20 else 10  # a buffer began to hold 200 ms
        at_s = sent_s[index + late] + 0.005
        block = sound[0, index * FRAME : (index + 1) * FRAME]
        heard.append(
            (at_s, block if index != 30 else np.random.default_rng(1).standard_normal(FRAME).astype(np.float32))
        )
    delays = [delay_s for _, delay_s in sample_delays(heard, sent_s, sound)]
    assert len(delays) == 39
    assert delays[:20] == pytest.approx([0.005] * 20)
    assert delays[20:] == pytest.approx([0.205] * 19)


def test_the_sound_never_repeats() -> None:
    line = unique_sound(3.0)[0]
    block = line[48_000 : 48_000 + FRAME]
    energy = np.convolve(np.square(line), np.ones(FRAME), "valid")
    likeness = np.correlate(line, block, "valid") / np.sqrt(energy * np.sum(np.square(block)))
    likeness[48_000 - 200 : 48_000 + 200] = 0.0
    assert np.abs(likeness).max() < 0.8


def test_recovery_is_when_blocks_are_quick_again_and_stay_so() -> None:
    slow, quick = [(10.0 + 0.02 * index, 0.05) for index in range(5)], [(10.1 + 0.02 * i, 0.004) for i in range(20)]
    assert recovery_s(slow + quick, 10.0, 0.01) == pytest.approx(0.1)
    assert recovery_s(slow, 10.0, 0.01) is None
    assert recovery_s(slow * 10, 10.0, 0.01) is None
