"""Which offers a viewer may come with. Viewers that are connected: test_whep.py, test_rtc_picture.py."""

from __future__ import annotations

import pytest

from streaming.problem import Problem
from streaming.rtc_viewer import check_play
from tests.streaming.rtc import offer


def test_a_player_gets_the_codec_of_the_picture() -> None:
    chosen = check_play(offer(("audio", False, True), ("video", False, True)), "h264")
    assert chosen.sections[1].codec == "h264"
    with pytest.raises(Problem):
        check_play(offer(("video", False, True)), "h264")
    with pytest.raises(Problem):
        check_play(offer(("audio", False, True), ("video", True, False)), None)
