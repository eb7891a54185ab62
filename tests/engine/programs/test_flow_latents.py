"""`engine.programs.flow_latents`: a frame is encoded again only while its future is missing."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.programs.flow_latents import Heard, Stretch, assembled, samples_of, stretches
from engine.programs.flow_windows import Window

FRAME, MARGIN = 4, 2
Floats = NDArray[np.float32]


def window(first: int, end: int, ended: bool = False) -> Window:
    return Window(first * FRAME, first, end, (first, end), ended)


def encoded(sound: Floats) -> Floats:
    """A codec of one number a frame: the mean of it and `MARGIN` frames on each side, of what there is."""
    frames = len(sound) // FRAME
    return np.array(
        [[sound[max(f - MARGIN, 0) * FRAME : (f + MARGIN + 1) * FRAME].mean()] for f in range(frames)], np.float32
    )


def run(sound: Floats, windows: list[Window], together: int) -> tuple[list[Floats], int]:
    """Latents of each window, `together` windows at a time, and the frames encoded."""
    heard: Heard | None = None
    found, frames = [], 0
    for begin in range(0, len(windows), together):
        for stretch in stretches(heard, windows[begin : begin + together], MARGIN):
            samples = samples_of(stretch, sound, 0, FRAME, None)
            frames += len(samples) // FRAME
            latents, heard = assembled(heard, stretch, encoded(samples))
            found.append(latents)
    return found, frames


def test_frames_are_those_of_the_whole_once_their_future_is_known() -> None:
    sound = np.random.default_rng(0).standard_normal(60 * FRAME).astype(np.float32)
    whole = encoded(sound)
    windows = [window(max(end - 20, 0), end) for end in range(12, 60, 4)]
    one, frames = run(sound, windows, 1)
    for latents, seen in zip(one, windows, strict=True):
        assert len(latents) == seen.frames
        known = seen.frames - MARGIN
        np.testing.assert_allclose(latents[:known], whole[seen.first : seen.end - MARGIN], atol=1e-6)
    assert frames == 12 + 11 * (4 + 2 * MARGIN)
    for several, again in ((run(sound, windows, 4)[0], one), (run(sound, windows, 12)[0], one)):
        for left, right in zip(several, again, strict=True):
            np.testing.assert_array_equal(left, right)


def test_what_is_not_at_hand_is_encoded_anew() -> None:
    heard = Heard(0, np.zeros((10, 1), np.float32))
    (after_a_gap,) = stretches(heard, [window(12, 20)], MARGIN)
    assert (after_a_gap.begin, after_a_gap.used, after_a_gap.final) == (12, 12, 18)
    (before,) = stretches(Heard(5, heard.latents), [window(2, 8)], MARGIN)
    assert before.begin == 2


def test_at_the_end_every_frame_is_final() -> None:
    first, second = stretches(None, [window(0, 10, ended=True), window(4, 10, ended=True)], MARGIN)
    assert (first.final, second.used, second.end) == (10, 10, 10)
    latents, heard = assembled(None, first, np.arange(10, dtype=np.float32)[:, None])
    latents, _ = assembled(heard, second, np.zeros((0, 1), np.float32))
    np.testing.assert_array_equal(latents[:, 0], np.arange(4, 10))


@pytest.mark.parametrize(("end", "tail"), [(10, [9.0, 8.0]), (9, [8.0, 7.0, 6.0]), (12, [])])
def test_a_frame_that_is_cut_short_goes_on_as_its_mirror(end: int, tail: list[float]) -> None:
    sound = np.arange(1, 13, dtype=np.float32)
    sound[end:] = 0.0
    stretch = Stretch(window(0, 3, ended=True), 0, 0, 3, 3)
    np.testing.assert_array_equal(samples_of(stretch, sound, 0, FRAME, end), [*range(1, end + 1), *tail])


def test_too_little_to_mirror_is_followed_by_silence() -> None:
    stretch = Stretch(window(0, 1, ended=True), 0, 0, 1, 1)
    np.testing.assert_array_equal(samples_of(stretch, np.array([5, 0, 0, 0], np.float32), 0, FRAME, 1), [5, 0, 0, 0])
