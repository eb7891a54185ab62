"""The skew benchmark's judgement, on moments whose skew is known; and its clip."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.av_skew import CLICK, EVERY, FPS, SETTLING_S, Clicks, Clip, Ear, Eye, Moment, judged, signed
from streaming.rtc_sync import SOUND_HZ


def test_skew_is_flash_minus_click_after_the_first_seconds() -> None:
    ear, eye = Ear(), Eye()
    for index in range(20):
        at = 0.5 * index
        ear.found.append(Moment(at, 0, 100.0 + at))
        eye.found.append(Moment(at + (0.030 if at < SETTLING_S else -0.010), 0, 100.0 + at + 0.005))
    eye.found.append(Moment(30.0, 0))
    found = judged(ear, eye)
    assert found["pairs"] == 13
    assert found["arrival_ms"] == {"p50": -10.0, "abs_p95": 10.0, "abs_max": 10.0}
    assert found["played_ms"]["p50"] == 5.0
    assert signed([]) == {}


async def test_clicks_begin_where_frames_do() -> None:
    clicks = Clicks(Clip())
    frames = [(await clicks.recv()).to_ndarray()[0, ::2] for _ in range(2 + EVERY * SOUND_HZ // FPS // 960)]
    loud = np.flatnonzero(np.abs(np.concatenate(frames)) > 0)
    begins = loud[np.flatnonzero(np.diff(loud, prepend=-CLICK) > CLICK // 2)]
    assert begins[0] == pytest.approx(0, abs=2)
    assert begins[1] == pytest.approx(EVERY * SOUND_HZ // FPS, abs=2)
