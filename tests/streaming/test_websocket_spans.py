"""Spans over the wire, in `start` and in `update`."""

from __future__ import annotations

import json

import numpy as np

from engine.bundle import Bundle
from tests.streaming.live import END, START, framed_messages, house, noise, talk

OFF = {"start": 0.2, "end": 0.4, "include": False}


async def test_spans_of_start_and_update_are_heard(identity: Bundle) -> None:
    sound = noise(48_000)
    start = {**START, "targets": [{"id": "voice", "prompt": "speech", "spans": [OFF]}]}
    later = {"id": "voice", "prompt": "speech", "spans": [OFF, {"start": 0.7, "end": 0.8, "include": False}]}
    messages = framed_messages(sound.tobytes(), 2)
    async with house(identity) as server:
        async with server.framed() as link:
            update = json.dumps({"type": "update", "targets": [later]})
            heard = await talk(link, [json.dumps(start), *messages[:50], update, *messages[50:], END])
    target, residual = (np.frombuffer(heard.track(index)[0], "<i2") for index in (0, 1))
    assert len(target) == len(residual) == 48_000
    for begin_s, end_s in ((0.21, 0.4), (0.71, 0.8)):
        inside = slice(round(begin_s * 48_000), round(end_s * 48_000))
        assert not target[inside].any()
        np.testing.assert_array_equal(residual[inside], sound[inside, 0])
    for begin_s, end_s in ((0.0, 0.2), (0.41, 0.7), (0.81, 1.0)):
        outside = slice(round(begin_s * 48_000), round(end_s * 48_000))
        np.testing.assert_allclose(target[outside], sound[outside, 0], atol=1)
    assert heard.close == 1000
