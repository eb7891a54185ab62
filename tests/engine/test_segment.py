"""`engine.segment`: outlets that begin in the middle, gains without a step, where a segment ends."""

from __future__ import annotations

import numpy as np
import pytest

from engine.segment import Outlet, Segment
from engine.spec import AudioSpec
from tests.engine.streams import noise, smooth_noise

AUDIO = AudioSpec(sample_rate=48_000, window=960, hop=480, crossfade=480)


@pytest.mark.parametrize("rate", [48_000, 44_100, 22_050, 16_000, 44_101])
@pytest.mark.parametrize("first", [0, 480, 480 * 101])
def test_an_outlet_that_begins_late_is_aligned_with_one_that_did_not(rate: int, first: int) -> None:
    sound = smooth_noise(96_000)
    sound[:, :first] = 0.0
    whole = Outlet(1, AUDIO, rate, 0, 1.0)
    late = Outlet(1, AUDIO, rate, first, 1.0)
    everything = whole.push(sound)
    begin = late.position
    assert begin == -(-first * rate // 48_000)
    part = late.push(sound[:, first:])
    np.testing.assert_allclose(part, everything[:, begin : begin + part.shape[1]], atol=1e-5)
    assert late.position == whole.position


def test_gain_changes_in_a_ramp() -> None:
    outlet = Outlet(1, AUDIO, 48_000, 0, 1.0)
    ones = np.ones((1, 100), np.float32)
    assert outlet.amplified(ones) is ones
    outlet.gain = np.float32(0.5)
    ramp = outlet.amplified(ones)
    assert np.abs(np.diff(ramp)).max() < 0.006
    assert (ramp[0, 0], ramp[0, -1]) == (1.0, 0.5)
    np.testing.assert_array_equal(outlet.amplified(ones), 0.5)


def test_a_segment_without_input_is_done_at_once() -> None:
    segment = Segment(AUDIO, 1, 48_000, 48_000, 0, [0], None, True, False, False)
    assert not segment.done
    segment.finish(0.0, last=True)
    assert segment.done
    assert not segment.separator.ready


@pytest.mark.parametrize("rate", [48_000, 8000])
def test_finishing_pads_enough_for_the_last_sample(rate: int) -> None:
    segment = Segment(AUDIO, 1, rate, rate, 0, [0], None, True, False, False)
    segment.push(noise(1001), 0.0)
    segment.finish(0.0, last=True)
    assert segment.limit == 1001
    assert segment.separator.received >= 1001 * 48_000 // rate + AUDIO.latency
