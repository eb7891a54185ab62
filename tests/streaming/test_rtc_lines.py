"""Which track goes on which line, as targets come and go. On a connection: test_rtc_publisher.py."""

from __future__ import annotations

from typing import Any

import pytest
from aiortc.mediastreams import MediaStreamError

from engine.prompt import Target
from streaming.audience import Audience
from streaming.messages import AudioFormat
from streaming.opus import OpusSettings
from streaming.protocol import SessionRequest
from streaming.rtc_lines import PeerLines, in_order
from tests.streaming.rtc import offer


def session(*names: str) -> tuple[Audience, list[dict[str, Any]]]:
    """What a session's tracks of these names are heard by, and its `tracks`."""
    audience = Audience()
    form = AudioFormat(encoding="pcm_f32le", sample_rate=48000, channels=1)
    audience.begin(SessionRequest("raw", form, 48000, (Target(id="a", prompt="speech"),), True, False))
    tracks = [{"index": index, "name": name} for index, name in enumerate(names)]
    audience.learn({"type": "started", "tracks": tracks})
    return audience, tracks


def mids(tracks: list[dict[str, Any]]) -> list[str | None]:
    """The lines of tracks."""
    return [track["mid"] for track in tracks]


TWO_LINES = offer(("audio", True, True), ("video", True, True), ("audio", False, True), ("audio", True, False))


async def test_tracks_keep_their_lines_and_new_ones_take_what_is_free() -> None:
    audience, (first, residual, second) = session("a/target", "residual", "b/target")
    lines = PeerLines(TWO_LINES, "target", OpusSettings())
    assert mids(lines.carry([first, residual], audience)) == ["0", "2"]
    assert mids(lines.carry([first, residual, second], audience)) == ["0", "2", None]
    assert mids(lines.carry([residual, second], audience)) == ["2", "0"]
    assert mids(lines.carry([first], audience)) == ["0"]


async def test_the_residual_may_come_first() -> None:
    audience, tracks = session("a/target", "residual")
    assert mids(PeerLines(TWO_LINES, "residual", OpusSettings()).carry(tracks, audience)) == ["2", "0"]


async def test_a_track_is_coded_once_however_many_lines_it_is_on() -> None:
    audience, tracks = session("a/target", "residual")
    for _ in range(2):
        PeerLines(TWO_LINES, "target", OpusSettings()).carry(tracks, audience)
    assert [len(audience.ears(track["index"])) for track in tracks] == [1, 1]


async def test_stopped_lines_send_no_more() -> None:
    audience, tracks = session("a/target", "residual")
    sent: dict[int, Any] = {}

    class Line:
        def __init__(self, index: int) -> None:
            self.sender, self.index = self, index

        def replaceTrack(self, track: Any) -> None:  # noqa: N802
            sent[self.index] = track

    class Connection:
        lines = {index: Line(index) for index in range(4)}  # noqa: RUF012

    lines = PeerLines(TWO_LINES, "target", OpusSettings())
    lines.put_on(Connection())  # type: ignore[arg-type]
    lines.carry(tracks, audience)
    assert sorted(sent) == [0, 2]
    lines.stop()
    for track in sent.values():
        assert track.readyState == "ended"
        with pytest.raises(MediaStreamError):
            await track.recv()


def test_order_of_lines() -> None:
    tracks = [{"index": index, "name": name} for index, name in enumerate(("a/target", "b/target", "residual"))]
    assert in_order(tracks, "target") == [0, 2, 1]
    assert in_order(tracks, "residual") == [2, 0, 1]
    assert in_order(tracks[:1], "target") == [0]
