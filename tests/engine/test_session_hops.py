"""Several hops in one call: longer hops, later by just what is reported, and otherwise the same sound."""

from __future__ import annotations

import numpy as np
import pytest

from engine.bundle import Bundle
from engine.config import SessionConfig
from engine.errors import BadInput
from engine.prompt import Span, Target
from tests.engine.streams import SPEECH, Crank, chunks, noise, smooth_noise

DOG = Target("dog", "dog bark")


@pytest.mark.parametrize("hops", [1, 2, 4])
def test_a_hop_leaves_on_the_push_that_was_reported(identity: Bundle, hops: int) -> None:
    crank = Crank(identity, SessionConfig(48_000, 1, (SPEECH,), hops_per_call=hops))
    latency = crank.session.latency
    assert (latency.hop, latency.samples, latency.window) == (480 * hops, 480 * (hops + 1), 480 * (hops + 1))
    assert latency.algorithmic_ms == 10 * (hops + 1)
    sound = noise(48 * 200)
    for end in range(48, sound.shape[1] + 1, 48):
        pieces = crank.feed(sound[:, end - 48 : end])
        due = end >= latency.samples and (end - latency.samples) % latency.hop == 0
        assert len(pieces) == due
        if due:
            assert (pieces[0].pts, pieces[0].samples.shape[1]) == (end - latency.samples, latency.hop)


@pytest.mark.parametrize("rate", [48_000, 44_100])
@pytest.mark.parametrize("count", [1, 479, 960, 48_001])
def test_the_sound_is_the_same(embedded: Bundle, rate: int, count: int) -> None:
    sound = smooth_noise(count, 2)
    tracks = []
    for hops in (1, 2):
        crank = Crank(embedded, SessionConfig(rate, 2, (SPEECH, DOG), residual=True, hops_per_call=hops))
        for begin, end in chunks(count, "random"):
            crank.feed(sound[:, begin:end])
        crank.flush()
        assert crank.session.finished
        tracks.append([crank.track(index) for index in range(3)])
    for one, other in zip(*tracks, strict=True):
        assert one.shape == other.shape == sound.shape
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_an_update_holds_within_two_of_its_hops(identity: Bundle) -> None:
    time = np.arange(96_000) / 48_000
    sound = (0.3 * np.sin(2 * np.pi * 200 * time)).astype(np.float32)[None]
    crank = Crank(identity, SessionConfig(48_000, 1, (SPEECH,), hops_per_call=2))
    for begin in range(0, 48_480, 480):
        crank.feed(sound[:, begin : begin + 480])
    out = crank.pieces[-1].pts + crank.pieces[-1].samples.shape[1]
    holds = crank.session.update((Target("speech", "siren"), DOG))
    assert 0 <= holds - out <= 2 * 960
    for begin in range(48_480, 96_000, 480):
        crank.feed(sound[:, begin : begin + 480])
    crank.flush()
    np.testing.assert_allclose(crank.track(0), sound, atol=1e-3)
    assert next(piece.pts for piece in crank.pieces if piece.track == 1) == holds


def test_a_span_may_begin_within_a_call(identity: Bundle) -> None:
    off = Target("a", "speech", spans=(Span(0.21, 0.33, include=False),))
    crank = Crank(identity, SessionConfig(48_000, 1, (off,), hops_per_call=4))
    late = 0
    sound = noise(48_000)
    for end in range(480, 48_001, 480):
        crank.feed(sound[:, end - 480 : end])
        out = crank.pieces[-1].pts + crank.pieces[-1].samples.shape[1] if crank.pieces else 0
        late = max(late, end - out)
    assert late < crank.session.latency.samples + crank.session.latency.hop
    np.testing.assert_array_equal(crank.track(0)[:, round(0.22 * 48_000) : round(0.33 * 48_000)], 0.0)


def test_other_numbers_are_refused(identity: Bundle) -> None:
    with pytest.raises(BadInput, match="hops_per_call"):
        Crank(identity, SessionConfig(48_000, 1, (SPEECH,), hops_per_call=3))
