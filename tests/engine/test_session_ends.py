"""Every track says once that it is over, whatever it carried and whenever it went."""

from __future__ import annotations

import pytest

from engine.bundle import Bundle
from engine.config import SessionConfig
from engine.prompt import Target
from tests.engine.streams import SPEECH, Crank, noise, smooth_noise

DOG = Target("dog", "dog bark")


def lasts(crank: Crank) -> dict[int, tuple[int, int]]:
    """Track → pts and length of its last piece; checked to be the only one that says so, and the end of its track."""
    found: dict[int, tuple[int, int]] = {}
    for piece in crank.pieces:
        assert piece.track not in found, "nothing follows a last piece"
        if piece.last:
            found[piece.track] = piece.pts, piece.samples.shape[1]
    return found


def opened(bundle: Bundle, rate: int = 48_000, output_rate: int | None = None) -> Crank:
    return Crank(bundle, SessionConfig(rate, 1, (SPEECH, DOG), residual=True, output_rate=output_rate))


def test_a_session_without_a_sample_ends_its_tracks(identity: Bundle) -> None:
    crank = opened(identity)
    crank.flush()
    assert crank.session.finished
    assert lasts(crank) == {0: (0, 0), 1: (0, 0), 2: (0, 0)}


def test_an_end_right_after_a_flush(identity: Bundle) -> None:
    crank = opened(identity)
    crank.feed(noise(1000))
    crank.flush(last=False)
    assert lasts(crank) == {}
    crank.flush()
    assert lasts(crank) == {0: (1000, 0), 1: (1000, 0), 2: (1000, 0)}


def test_an_end_that_brings_the_last_samples_says_it_with_them(identity: Bundle) -> None:
    crank = opened(identity)
    crank.feed(noise(1000))
    crank.flush()
    ends = lasts(crank)
    assert {pts + count for pts, count in ends.values()} == {1000}
    assert all(count for _, count in ends.values())


@pytest.mark.parametrize(("rate", "output_rate"), [(48_000, None), (44_100, 16_000), (8000, 48_000)])
@pytest.mark.parametrize("fed", [0, 1, 479, 480, 4800])
@pytest.mark.parametrize("goes_on", [False, True])
def test_a_track_removed_right_at_a_flush_ends(
    identity: Bundle, rate: int, output_rate: int | None, fed: int, goes_on: bool
) -> None:
    crank = opened(identity, rate, output_rate)
    crank.feed(smooth_noise(fed))
    crank.session.remove(("dog",))
    crank.flush(last=False)
    if goes_on:
        crank.feed(smooth_noise(4800))
        assert set(lasts(crank)) == {1}
    crank.flush()
    assert set(lasts(crank)) == {0, 1, 2}
    assert crank.session.finished


def test_a_target_added_at_the_very_end_has_an_empty_track(identity: Bundle) -> None:
    crank = Crank(identity, SessionConfig(48_000, 1, (SPEECH,)))
    crank.feed(noise(960))
    crank.flush(last=False)
    crank.session.update((DOG,))
    crank.flush()
    assert lasts(crank) == {0: (960, 0), 1: (960, 0)}


def test_a_second_end_says_nothing_more(identity: Bundle) -> None:
    crank = opened(identity)
    crank.flush()
    count = len(crank.pieces)
    crank.flush()
    assert len(crank.pieces) == count
