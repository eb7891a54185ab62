"""Both modes of `winnow live` against the real server: everything that goes in comes out, in its place."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Literal

import numpy as np
import pytest

from engine.bundle import Bundle
from engine.errors import UnknownPrompt, WinnowError
from engine.frames import Samples
from streaming.live_pipe import Wish, run_framed, run_raw
from tests.streaming.live import House, house
from tests.streaming.media_files import tone


class ListSource:
    """A source that gives what it has, and may cut the connection at a chunk."""

    def __init__(self, samples: Samples, home: House | None = None, cut_at: int = -1) -> None:
        self.rate, self.channels = 48000, samples.shape[0]
        self._samples, self._home, self._cut_at = samples, home, cut_at

    async def chunks(self) -> AsyncIterator[Samples]:
        for index in range(0, self._samples.shape[1], 480):
            if index // 480 == self._cut_at and self._home is not None:
                self._home.only_socket().transport.abort()
            yield self._samples[:, index : index + 480]


class ListSink:
    """A sink that keeps everything."""

    def __init__(self) -> None:
        self.pieces: list[Samples] = []
        self.kept: bool | None = None

    async def write(self, samples: Samples) -> None:
        self.pieces.append(samples)

    def close(self, kept: bool) -> None:
        self.kept = kept

    @property
    def samples(self) -> Samples:
        return np.concatenate(self.pieces, axis=1)


@pytest.mark.parametrize("mode", [run_framed, run_raw])
@pytest.mark.parametrize(("track", "share"), [("target", 1.0), ("residual", 0.0)])
async def test_everything_comes_back(
    identity: Bundle, mode: Any, track: Literal["target", "residual"], share: float
) -> None:
    samples, sink, events = tone(48000 + 11, 2), ListSink(), []
    async with house(identity, outbox_ms=60_000) as home:
        wish = Wish(home.url, "speech", track, on_event=lambda event: events.append(event["type"]))
        totals = await mode(wish, ListSource(samples), lambda: sink)
    assert totals.sent_samples == samples.shape[1]
    assert sink.kept
    np.testing.assert_allclose(sink.samples, share * samples, atol=1e-6)
    assert events[0] == "started"
    assert events[-1] == "ended"


@pytest.mark.parametrize("mode", [run_framed, run_raw])
async def test_a_refusal_opens_no_sink(identity: Bundle, mode: Any) -> None:
    async with house(identity, outbox_ms=60_000) as home:
        with pytest.raises(UnknownPrompt):
            await mode(Wish(home.url, "zorgle"), ListSource(tone(480)), pytest.fail)


async def test_raw_mode_does_not_keep_half_a_recording(identity: Bundle) -> None:
    sink = ListSink()
    async with house(identity, outbox_ms=60_000) as home:
        source = ListSource(tone(48000), home, cut_at=50)
        with pytest.raises(WinnowError):
            await run_raw(Wish(home.url, "speech"), source, lambda: sink)
    assert sink.kept in (None, False)


async def test_framed_mode_loses_nothing_with_a_connection(identity: Bundle) -> None:
    samples, sink = tone(2 * 48000), ListSink()
    async with house(identity, outbox_ms=60_000) as home:
        source = ListSource(samples, home, cut_at=100)
        totals = await run_framed(Wish(home.url, "speech"), source, lambda: sink)
    assert (totals.sent_samples, totals.lost_samples) == (samples.shape[1], 0)
    np.testing.assert_allclose(sink.samples, samples, atol=1e-6)


async def test_what_is_lost_is_silence_in_its_place(identity: Bundle) -> None:
    samples, sink = tone(2 * 48000), ListSink()
    # A server that keeps nothing of what it made, and 50 ms of what its client has not read.
    async with house(identity, outbox_ms=50, replay_s=0) as home:
        source = ListSource(samples, home, cut_at=100)
        await run_framed(Wish(home.url, "speech"), source, lambda: sink)
    out = sink.samples
    assert out.shape == samples.shape
    heard = out != 0.0
    np.testing.assert_allclose(out[heard], samples[heard], atol=1e-6)
