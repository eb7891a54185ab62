"""The canary: what the picture's path leans on in aiortc is there."""

from __future__ import annotations

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection

from streaming import aiortc_picture
from streaming.aiortc_inside import AiortcMoved


def test_aiortc_is_what_this_was_written_against() -> None:
    assert aiortc_picture.check() == []


async def test_a_receiver_of_another_make_is_refused() -> None:
    class Other:
        pass

    with pytest.raises(AiortcMoved):
        aiortc_picture.replace_picture_buffer(Other(), None)  # type: ignore[arg-type]
    with pytest.raises(AiortcMoved):
        aiortc_picture.hear_key_requests(Other(), lambda: None)  # type: ignore[arg-type]


async def test_key_requests_reach_us() -> None:
    asked = []
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    line = connection.addTransceiver("video")
    aiortc_picture.hear_key_requests(line.sender, lambda: asked.append(1))
    line.sender._send_keyframe()
    assert asked == [1]
    # Nothing was received: there is nobody to ask.
    await aiortc_picture.ask_for_key(line.receiver)
    await connection.close()
