"""Spans in a whole session: what is known to be off is not heard, on every track, however the sound is cut."""

from __future__ import annotations

import numpy as np
import pytest

from engine.bundle import Bundle
from engine.config import SessionConfig
from engine.errors import BadInput
from engine.frames import Activity, Samples
from engine.prompt import Span, Target
from tests.engine.streams import Crank, chunks, noise, smooth_noise

OFF = Span(0.2, 0.4, include=False)
SPEECH, QUIET = Target("a", "speech"), Target("a", "speech", spans=(OFF,))
DOG = Target("b", "dog bark")


def ran(bundle: Bundle, targets: tuple[Target, ...], sound: Samples, rate: int = 48_000, rule: str = "hop") -> Crank:
    """A session through its end, with its residual."""
    crank = Crank(bundle, SessionConfig(rate, len(sound), targets, residual=True))
    for begin, end in chunks(sound.shape[1], rule):
        crank.feed(sound[:, begin:end])
    crank.flush()
    return crank


def at(sound: Samples, begin_s: float, end_s: float, rate: int = 48_000) -> Samples:
    return sound[:, round(begin_s * rate) : round(end_s * rate)]


@pytest.mark.parametrize("rule", ["whole", "random"])
@pytest.mark.parametrize(("rate", "channels"), [(48_000, 1), (44_100, 2), (16_000, 1)])
def test_a_target_that_is_off_is_silent_and_stays_in_the_residual(
    identity: Bundle, rate: int, channels: int, rule: str
) -> None:
    sound = smooth_noise(rate, channels)
    crank = ran(identity, (QUIET,), sound, rate, rule)
    target, residual = crank.track(0), crank.track(1)
    np.testing.assert_allclose(target + residual, sound, atol=1e-6)
    # A hop to fade, and the ringing of the resamplers.
    np.testing.assert_allclose(at(target, 0.215, 0.395, rate), 0.0, atol=1e-4)
    for begin, end in ((0.02, 0.195), (0.415, 0.98)):
        np.testing.assert_allclose(at(residual, begin, end, rate), 0.0, atol=0.02)
    assert np.abs(at(target, 0.415, 0.98, rate)).max() > 0.1


def test_the_edge_of_a_span_is_a_line_over_one_hop(identity: Bundle) -> None:
    crank = ran(identity, (QUIET,), np.full((1, 48_000), 0.5, np.float32))
    steps = np.abs(np.diff(at(crank.track(0), 0.1, 0.5)))
    assert steps.max() < 0.5 * 1.05 / 480
    assert np.count_nonzero(steps > 0.0005) == pytest.approx(960, abs=4)


def test_everything_but_is_off_as_a_whole(identity: Bundle) -> None:
    crank = ran(
        identity, (Target("a", "everything but speech", spans=(Span(0.0, 0.5, include=False),)),), noise(48_000)
    )
    np.testing.assert_array_equal(at(crank.track(0), 0.0, 0.49), 0.0)


def test_the_residual_of_several_holds_what_is_off(embedded: Bundle) -> None:
    sound = smooth_noise(48_000)
    several, alone, both = (ran(embedded, targets, sound) for targets in ((QUIET, DOG), (DOG,), (SPEECH, DOG)))
    for track, other in ((1, alone.track(0)), (2, alone.track(1))):
        np.testing.assert_allclose(at(several.track(track), 0.21, 0.39), at(other, 0.21, 0.39), atol=1e-5)
    np.testing.assert_allclose(at(several.track(2), 0.0, 0.19), at(both.track(2), 0.0, 0.19), atol=1e-5)
    np.testing.assert_array_equal(at(several.track(0), 0.21, 0.39), 0.0)


def test_nothing_is_taken_where_all_are_off(embedded: Bundle) -> None:
    sound = smooth_noise(48_000)
    crank = ran(embedded, (QUIET, Target("b", "dog bark", spans=(OFF,))), sound)
    np.testing.assert_array_equal(at(crank.track(2), 0.21, 0.39), at(sound, 0.21, 0.39))


def test_hints_move_the_model(embedded: Bundle) -> None:
    """The fade aside: told that it sounds, the model hears the same sound differently. How much is its own affair."""
    sound = noise(96_000)
    told = Target("a", "speech", spans=(Span(0.5, 2.0),))
    free, hinted = (ran(embedded, (target,), sound).track(0) for target in (SPEECH, told))
    np.testing.assert_array_equal(at(free, 0.0, 0.48), at(hinted, 0.0, 0.48))
    assert np.abs(at(free, 0.6, 1.9) - at(hinted, 0.6, 1.9)).max() > 1e-4


def test_spans_come_and_go_with_updates(identity: Bundle) -> None:
    sound = noise(96_000)
    crank = Crank(identity, SessionConfig(48_000, 1, (SPEECH,)))
    crank.feed(sound[:, :24_000])
    crank.session.update((Target("a", "speech", spans=(Span(0.6, 1.2, include=False),)),))
    crank.feed(sound[:, 24_000:48_000])
    crank.session.update((SPEECH,))
    crank.feed(sound[:, 48_000:])
    crank.flush()
    np.testing.assert_array_equal(at(crank.track(0), 0.62, 0.97), 0.0)
    np.testing.assert_allclose(at(crank.track(0), 1.03, 1.99), at(sound, 1.03, 1.99), atol=1e-6)


def test_spans_count_in_the_sessions_own_time(identity: Bundle) -> None:
    sound = noise(48_000)
    crank = Crank(
        identity, SessionConfig(48_000, 1, (Target("a", "speech", spans=(Span(10.2, 10.4, include=False),)),))
    )
    crank.feed(sound, pts=480_000)
    crank.flush()
    np.testing.assert_array_equal(at(crank.track(0), 0.21, 0.39), 0.0)
    np.testing.assert_allclose(at(crank.track(0), 0.41, 0.99), at(sound, 0.41, 0.99), atol=1e-6)


def test_activity_is_what_the_spans_say(embedded: Bundle) -> None:
    spans = (Span(0.0, 0.3, include=False), Span(0.3, 0.8), Span(0.8, 2.0, include=False))
    crank = Crank(embedded, SessionConfig(48_000, 1, (Target("a", "speech", spans=spans),)))
    crank.feed(noise(96_000))
    events = [event for event in crank.session.take_events() if isinstance(event, Activity)]
    assert [(event.state, event.at) for event in events] == [("start", 14_400), ("end", 38_400)]


def test_spans_that_would_need_too_many_unions_are_refused(identity: Bundle) -> None:
    free = len(identity.masking._free)
    many = tuple(
        Target(str(index), "speech", spans=tuple(
            Span(float(second), second + 1.0, include=False) for second in range(32) if second >> index & 1
        ))
        for index in range(5)
    )  # fmt: skip
    with pytest.raises(BadInput, match=r"targets\.spans"):
        Crank(identity, SessionConfig(48_000, 1, many, residual=True))
    assert len(identity.masking._free) == free
    Crank(identity, SessionConfig(48_000, 1, many)).session.close()
