"""`engine.programs.flow_windows`: where windows begin and end, and how two renditions become one."""

from __future__ import annotations

import numpy as np
import pytest

from engine.frames import Work
from engine.programs.flow_windows import joined, left_right, mid_side, silent, windows_of
from engine.spec import AudioSpec

FRAME = 1920
AUDIO = AudioSpec(
    sample_rate=48_000, window=20 * FRAME, hop=4 * FRAME, crossfade=FRAME, lookahead=8 * FRAME, frame=FRAME
)


def work(pts_frames: int, hops: int = 1, end: int | None = None) -> Work:
    length = AUDIO.window + (hops - 1) * AUDIO.hop
    return Work((0,), pts_frames * FRAME, np.zeros((1, length), np.float32), hops, (0,), end=end)


def test_windows_move_by_a_hop_and_stay_within_the_stream() -> None:
    found = windows_of(work(-4, 4), AUDIO)
    assert found[0] is None
    spans = [(window.first, window.end, window.out, window.ended) for window in found if window]
    assert spans == [(0, 13, (0, 5), False), (0, 17, (4, 9), False), (1, 21, (8, 13), False)]
    assert [window.frames for window in found if window] == [13, 17, 20]


def test_the_end_of_the_stream_cuts_windows() -> None:
    found = windows_of(work(8, 4, end=14 * FRAME - 5), AUDIO)
    spans = [(window.first, window.end, window.out, window.ended) for window in found if window]
    assert spans == [(1, 14, (8, 13), True), (5, 14, (12, 14), True)]
    assert found[2:] == [None, None]
    (whole,) = windows_of(work(0, end=100 * FRAME), AUDIO)
    assert whole is not None
    assert not whole.ended


def test_equal_sounds_are_joined_without_a_change() -> None:
    sound = np.random.default_rng(0).standard_normal((2, 500)).astype(np.float32)
    np.testing.assert_allclose(joined(sound, sound), sound, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("alike", [0.0, 0.5, 1.0])
def test_loudness_stays_even(alike: float) -> None:
    random = np.random.default_rng(1)
    one, other = random.standard_normal((2, 1, 200_000)).astype(np.float32)
    two = np.float32(alike) * one + np.float32(np.sqrt(1 - alike**2)) * other
    power = np.square(joined(one, two))[0].reshape(20, -1).mean(axis=1)
    np.testing.assert_allclose(power, 1.0, atol=0.06)


def test_ends_belong_to_one_side_and_opposites_do_not_explode() -> None:
    ramp = joined(np.ones((1, 1000), np.float32), np.zeros((1, 1000), np.float32))
    assert ramp[0, 0] == pytest.approx(1.0, abs=1e-2)
    assert ramp[0, -1] == pytest.approx(0.0, abs=1e-2)
    sound = np.ones((1, 100), np.float32)
    assert np.abs(joined(sound, -sound)).max() <= 1.0
    assert joined(sound[:, :0], sound[:, :0]).shape == (1, 0)


def test_mid_and_side_there_and_back() -> None:
    sound = np.random.default_rng(2).standard_normal((2, 50)).astype(np.float32)
    np.testing.assert_allclose(left_right(mid_side(sound)), sound, atol=1e-6)
    mono = sound[:1]
    parts = mid_side(mono)
    assert not np.shares_memory(parts, mono)
    np.testing.assert_array_equal(left_right(parts), mono)


def test_silence_is_80_db_down() -> None:
    assert silent(np.full(10, 9e-5, np.float32))
    assert silent(np.zeros(0, np.float32))
    assert not silent(np.array([0.0, -2e-4], np.float32))
    assert not silent(np.array([np.nan], np.float32))
