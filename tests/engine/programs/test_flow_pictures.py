"""`engine.programs.flow_pictures`: each picture is looked at once, and a visual prompt changes what is heard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.bundle import Bundle
from engine.config import SessionConfig
from engine.errors import BadInput, EngineFault
from engine.offline import separate
from engine.programs.flow_pictures import MOST_PICTURES, Seen
from engine.prompt import Target
from engine.runtimes.graphs import Graphs
from engine.spec import load_spec
from tests.engine.flow import FOLDER, bundle_in
from tests.engine.streams import Crank, noise


class Reel:
    """Pictures of noise, each its own."""

    def __init__(self, seed: int = 0) -> None:
        self.seed, self.given = seed, 0

    def next(self, count: int, side: int) -> NDArray[np.uint8]:
        """See `engine.prompt.Pictures`."""
        numbers = range(self.given, self.given + count)
        self.given += count
        return np.stack([
            np.random.default_rng([self.seed, number]).integers(0, 256, (side, side, 3), np.uint8) for number in numbers
        ])  # fmt: skip


@pytest.fixture
def bundle(flow_graphs: Graphs) -> Bundle:
    found = bundle_in(flow_graphs)
    if not found.vocabulary.sees:
        pytest.skip("the tiny bundle has no vision graph")
    return found


def width() -> int:
    flow = load_spec(FOLDER).flow
    assert flow is not None
    return flow.video


def window(seen: Seen, first: int, end: int) -> NDArray[np.float32]:
    """The features of some frames."""
    calls = seen.window(first, end)
    while True:
        try:
            next(calls)
        except StopIteration as found:
            return np.asarray(found.value)


def test_frames_that_nobody_asked_for_pass_all_the_same(flow_graphs: Graphs, bundle: Bundle) -> None:
    """As in silence, where no window is made."""
    seen, whole = Seen(Reel(), flow_graphs, width()), Seen(Reel(), flow_graphs, width())
    window(seen, 0, 10)
    seen.forget(50)
    np.testing.assert_allclose(window(seen, 60, 65), window(whole, 0, 65)[:, 60:], atol=1e-5)


def test_windows_share_what_was_seen(flow_graphs: Graphs, bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []
    run = flow_graphs.run

    def counted(graph: str, feeds: Mapping[str, Any]) -> Any:
        looked.append(len(feeds["pictures"]))
        return run(graph, feeds)

    monkeypatch.setattr(flow_graphs, "run", counted)
    seen, reel = Seen(Reel(), flow_graphs, width()), Reel()
    one = window(seen, 0, 20)
    two = window(seen, 10, 30)
    assert (one.shape, sum(looked), max(looked)) == ((width(), 20), 30, MOST_PICTURES)
    np.testing.assert_array_equal(one[:, 10:], two[:, :10])
    again = window(Seen(reel, flow_graphs, width()), 0, 30)
    np.testing.assert_allclose(again[:, 10:], two, atol=1e-5)
    seen.forget(15)
    np.testing.assert_array_equal(window(seen, 15, 30), two[:, 5:])
    with pytest.raises(EngineFault, match="forgotten"):
        window(seen, 14, 30)


def test_a_picture_changes_what_is_heard_and_may_stand_alone(bundle: Bundle) -> None:
    sound = noise(40_000, 2)
    plain = separate(bundle, sound, 48_000, (Target("a", "dog"),)).targets["a"]
    shown = separate(bundle, sound, 48_000, (Target("a", "dog", pictures=Reel()),)).targets["a"]
    assert np.abs(plain - shown).max() > 1e-3
    np.testing.assert_allclose(
        separate(bundle, sound, 48_000, (Target("a", "dog", pictures=Reel()),)).targets["a"], shown, atol=1e-6
    )
    alone = separate(bundle, sound, 48_000, (Target("a", " ", pictures=Reel()),))
    assert alone.understood["a"].labels == ("",)
    assert alone.targets["a"].any()


def wound(frames: int) -> Reel:
    """A reel of which so many pictures have been seen."""
    reel = Reel()
    reel.given = frames
    return reel


def shown(phrase: str, reel: Reel, name: str = "a") -> Target:
    return Target(name, phrase, pictures=reel)


@pytest.mark.parametrize("gap", [0, 3 * 48_000])
def test_behind_a_flush_and_a_gap_the_film_goes_on_where_the_sound_does(bundle: Bundle, gap: int) -> None:
    sound, cut = noise(60_000), 26_000
    crank = Crank(bundle, SessionConfig(48_000, 1, (shown("dog", Reel()),)))
    crank.feed(sound[:, :cut])
    if not gap:
        crank.flush(last=False)
    crank.feed(sound[:, cut:], cut + gap)
    crank.flush()
    assert crank.session.failed is None
    later = wound((cut + gap) // 1920)
    wanted = [
        separate(bundle, part, 48_000, (shown("dog", reel),)).targets["a"]
        for part, reel in ((sound[:, :cut], Reel()), (sound[:, cut:], later))
    ]
    np.testing.assert_allclose(
        np.concatenate([piece.samples for piece in crank.pieces], axis=1), np.concatenate(wanted, axis=1), atol=2e-5
    )
    other = separate(bundle, sound[:, cut:], 48_000, (shown("dog", Reel()),)).targets["a"]
    assert np.abs(other - wanted[1]).max() > 1e-3


def test_a_film_whose_side_begins_to_sound_before_its_middle(bundle: Bundle) -> None:
    """The middle's first window lies behind the side's; a work of several hops must read the film in that order."""
    hop, context = bundle.spec.audio.hop, bundle.spec.audio.history
    sides, both = 2 * hop + context + 1920, 3 * hop + context + 1920
    sound = noise(both + 3 * hop, 2)
    sound[:, :sides] = 0.0
    sound[1, sides:both] = -sound[0, sides:both]
    whole = separate(bundle, sound, 48_000, (shown("dog", Reel()),)).targets["a"]
    crank = Crank(bundle, SessionConfig(48_000, 2, (shown("dog", Reel()),)))
    for begin in range(0, sound.shape[1], hop):
        crank.feed(sound[:, begin : begin + hop])
    crank.flush()
    np.testing.assert_allclose(crank.track(0), whole, atol=2e-5)


def test_an_update_does_not_wind_the_film_on(bundle: Bundle) -> None:
    sound, hop = noise(80_000), bundle.spec.audio.hop
    reel = Reel()
    crank = Crank(bundle, SessionConfig(48_000, 1, (shown("dog", reel),)))
    crank.feed(sound[:, :36_000])
    begins = crank.session.update((shown("rain", reel),))
    crank.feed(sound[:, 36_000:])
    crank.flush()
    dog, rain = (
        separate(bundle, sound, 48_000, (shown(phrase, Reel()),)).targets["a"] for phrase in ("dog", "rain")
    )  # fmt: skip
    np.testing.assert_allclose(crank.track(0)[:, :begins], dog[:, :begins], atol=2e-5)
    later = begins + 2 * hop
    np.testing.assert_allclose(crank.track(0)[:, later:], rain[:, later:], atol=2e-5)
    assert reel.given <= -(-sound.shape[1] // 1920)


def test_targets_may_share_a_film(bundle: Bundle) -> None:
    sound, reel = noise(40_000), Reel()
    both = separate(bundle, sound, 48_000, (shown("dog", reel), shown("rain", reel, "b"))).targets
    for name, phrase in (("a", "dog"), ("b", "rain")):
        alone = separate(bundle, sound, 48_000, (shown(phrase, Reel(), name),)).targets[name]
        np.testing.assert_allclose(both[name], alone, atol=2e-5)


def test_who_does_not_see_says_so(identity: Bundle) -> None:
    with pytest.raises(BadInput) as caught:
        separate(identity, noise(480), 48_000, (Target("a", "speech", pictures=Reel()),))
    assert caught.value.field == "targets.a.pictures"
