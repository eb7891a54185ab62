"""Who listens to a session: hops by track, joining, leaving, and every kind of end."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest

from engine.prompt import Target
from streaming.audience import Audience
from streaming.messages import AudioFormat
from streaming.protocol import SessionRequest, pack_header
from streaming.stream import Hop


class Ear:
    """Notes what it hears."""

    def __init__(self) -> None:
        self.hops: list[Hop] = []
        self.ended = 0

    def hear(self, hop: Hop) -> None:
        """A hop."""
        self.hops.append(hop)

    def end(self) -> None:
        """The end."""
        self.ended += 1


def tracks(*indices: int) -> dict[str, Any]:
    """A `started` with these tracks."""
    return {"type": "started", "tracks": [{"index": index, "name": str(index)} for index in indices]}


def hop(track: int) -> Hop:
    """Of one sample."""
    return Hop(track, 0, 1, 0, b"")


def test_each_ear_hears_its_track() -> None:
    audience = Audience()
    audience.learn(tracks(0, 1))
    ears = [Ear(), Ear(), Ear()]
    for index, ear in zip((0, 1, 1), ears, strict=True):
        audience.join(index, ear)
    audience.hear([hop(0), hop(1)])
    assert [len(ear.hops) for ear in ears] == [1, 1, 1]
    audience.leave(1, ears[1])
    audience.leave(1, ears[1])
    audience.hear([hop(1)])
    assert [len(ear.hops) for ear in ears] == [1, 1, 2]
    assert audience.ears(1) == (ears[2],)


def test_a_track_that_ends_tells_its_ears_once() -> None:
    audience, ear, other = Audience(), Ear(), Ear()
    audience.learn(tracks(0, 1))
    audience.join(0, ear)
    audience.join(1, other)
    audience.learn({**tracks(1), "type": "updated"})
    assert (ear.ended, other.ended) == (1, 0)
    audience.close()
    audience.close()
    assert (ear.ended, other.ended) == (1, 1)


def test_who_comes_too_late_is_told_so() -> None:
    audience, ear = Audience(), Ear()
    audience.join(0, ear)
    audience.learn(tracks(0))
    audience.close()
    audience.join(0, ear)
    assert ear.ended == 2


def test_an_ear_may_leave_while_it_is_told() -> None:
    audience = Audience()
    audience.learn(tracks(0))

    class Shy(Ear):
        def hear(self, hop: Hop) -> None:
            super().hear(hop)
            audience.leave(0, self)

    shy, steady = Shy(), Ear()
    audience.join(0, shy)
    audience.join(0, steady)
    audience.hear([hop(0), hop(0)])
    assert (len(shy.hops), len(steady.hops)) == (1, 2)


@pytest.mark.parametrize("mode", ["raw", "framed"])
@pytest.mark.parametrize("encoding", ["pcm_s16le", "pcm_f32le"])
def test_hops_are_samples_again(mode: Any, encoding: Any) -> None:
    audience = Audience()
    form = AudioFormat(encoding=encoding, sample_rate=16000, channels=2)
    audience.begin(SessionRequest(mode, form, 16000, (Target(id="a", prompt="speech"),), True, False))
    pcm = (
        struct.pack("<4h", 16384, 0, -16384, 8192)
        if encoding == "pcm_s16le"
        else struct.pack("<4f", 0.5, 0, -0.5, 0.25)
    )
    header = b"" if mode == "raw" else pack_header(0, 0, 0, 0)
    assert audience.format is not None
    samples = audience.format.samples(Hop(0, 0, 2, 0, header + pcm))
    assert samples.dtype == np.float32
    assert samples.tolist() == [[0.5, -0.5], [0.0, 0.25]]
