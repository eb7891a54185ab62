"""An update is not heard: no click and no gap at the seam, wherever in a hop it comes.

A click is energy where the sound has none. So the sound ends at 4.5 kHz, and what is measured is the output above
7 kHz in stretches of 5 ms: around the seam it may not exceed what the old or the new prompt alone has there.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import butter, sosfilt

from engine.bundle import Bundle
from engine.config import SessionConfig
from engine.frames import Samples
from engine.prompt import Target
from tests.engine.streams import Crank

RATE, STRETCH = 48_000, 240
LOUDER_BY_DB = 1.5
"""What a stretch at the seam may have beyond the loudest of its neighbours in either steady signal."""
UNHEARD_DB = -96.0
"""Half a step of 16 bits: under it nobody hears a click."""


def scene() -> Samples:
    """Two seconds of a buzzing voice in hissing noise, both below 4.5 kHz."""
    rng = np.random.default_rng(4)
    time = np.arange(2 * RATE) / RATE
    pitch = 2 * np.pi * np.cumsum(120 + 25 * np.sin(2 * np.pi * 1.7 * time)) / RATE
    voice = sum(np.sin(order * pitch) / order for order in range(1, 30)) * (0.6 + 0.4 * np.sin(2 * np.pi * 3.1 * time))
    low = butter(10, 4500, "low", fs=RATE, output="sos")
    sound = sosfilt(low, sosfilt(low, 0.08 * voice + 0.05 * rng.standard_normal(len(time))))
    return np.asarray(sound, np.float32)[None]


SOUND = scene()
HIGH = butter(8, 7000, "high", fs=RATE, output="sos")


def above_db(sound: Samples) -> Samples:
    """Level above 7 kHz of every 5 ms, dB."""
    high = sosfilt(HIGH, sound[0].astype(np.float64))
    count = len(high) // STRETCH
    power = np.mean(np.square(high[: count * STRETCH].reshape(count, STRETCH)), axis=1)
    return np.asarray(10 * np.log10(power + 1e-14), np.float32)


def outputs(
    bundle: Bundle, before: Target, after: Target | None = None, at: int = 0, step: int = 480
) -> tuple[Samples, Samples, int]:
    """Target and residual with an update at sample `at` of the input, and the pts from which it holds."""
    crank = Crank(bundle, SessionConfig(RATE, 1, (before,), residual=True))
    holds, position = 0, 0
    while position < SOUND.shape[1]:
        if after is not None and not holds and position >= at:
            holds = crank.session.update((after,))
            given = crank.pieces[-1].pts + crank.pieces[-1].samples.shape[1]
            assert 0 <= holds - given <= 2 * 480, "within two hops"
        crank.feed(SOUND[:, position : position + step])
        position += step
    crank.flush()
    return crank.track(0), crank.track(1), holds


SWAPS = [
    (Target("a", "speech"), Target("a", "rain")),
    (Target("a", "rain"), Target("a", "siren")),
    (Target("a", "speech"), Target("a", "everything but speech")),
    (Target("a", "speech"), Target("a", "speech", gain_db=-12.0)),
    (Target("a", "speech"), Target("a", "speech", bypass=True)),
]


@pytest.mark.parametrize(("before", "after"), SWAPS, ids=[after.prompt or "" for _, after in SWAPS])
def test_a_swap_is_no_louder_than_what_it_swaps(embedded: Bundle, before: Target, after: Target) -> None:
    steady = [outputs(embedded, target)[:2] for target in (before, after)]
    levels = [[above_db(track) for track in tracks] for tracks in steady]
    for at, step in ((48_000, 480), (48_100, 333), (55_777, 480), (60_240, 97)):
        *tracks, holds = outputs(embedded, before, after, at, step)
        where = holds // STRETCH
        for track in (0, 1):
            near = slice(where - 4, where + 8)
            ceiling = max(levels[0][track][near].max(), levels[1][track][near].max())
            seam = above_db(tracks[track])[where - 1 : where + 4].max()
            assert seam <= max(ceiling + LOUDER_BY_DB, UNHEARD_DB), f"track {track}, update at {at}"


def test_a_hard_cut_would_be_noticed(embedded: Bundle) -> None:
    """The measure measures: the same swap without its crossfade is far above the line."""
    before, after = (outputs(embedded, target)[0] for target in SWAPS[2])
    excess = []
    for at in (48_000, 55_680, 60_000):
        cut = np.concatenate([before[:, :at], after[:, at:]], axis=1)
        where, near = at // STRETCH, slice(at // STRETCH - 4, at // STRETCH + 8)
        ceiling = max(above_db(before)[near].max(), above_db(after)[near].max())
        excess.append(above_db(cut)[where - 1 : where + 4].max() - ceiling)
    assert max(excess) > 10


def test_what_comes_and_goes_fades(embedded: Bundle) -> None:
    added = Target("b", "everything but speech")
    steady = outputs(embedded, Target("a", "everything but speech"))[0]
    crank = Crank(embedded, SessionConfig(RATE, 1, (Target("a", "speech"),)))
    crank.feed(SOUND[:, :48_100])
    holds = crank.session.update((added,))
    crank.feed(SOUND[:, 48_100:72_010])
    crank.session.remove(("b",))
    crank.feed(SOUND[:, 72_010:])
    crank.flush()
    track = crank.track(1)
    assert next(piece.pts for piece in crank.pieces if piece.track == 1) == holds
    alone = np.concatenate([np.zeros((1, holds), np.float32), track, np.zeros((1, 4800), np.float32)], axis=1)
    levels, ceiling = above_db(alone), above_db(steady)
    for where in (holds // STRETCH, (holds + track.shape[1]) // STRETCH):
        assert levels[where - 4 : where + 4].max() <= ceiling[where - 6 : where + 8].max() + LOUDER_BY_DB
