"""`engine.runs` and the batcher: a small model's hops pass between the graph calls of a big one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest

from engine.batcher import Batcher
from engine.bundle import Bundle
from engine.config import SessionConfig
from engine.errors import EngineFault
from engine.frames import Result, Work
from engine.prompt import Target
from engine.runs import Lane, Run, next_run
from engine.runtimes.graphs import Graphs
from engine.session import Session
from tests.engine.flow import bundle_in
from tests.engine.streams import SPEECH, Crank, ManualClock, noise

DOG = Target("dog", "dog")
TICK_S = 0.01


class Slow:
    """The tiny bundle's graphs, each call of which takes a while by the test's clock."""

    def __init__(self, graphs: Graphs, clock: ManualClock, call_s: float) -> None:
        self._graphs, self._clock, self._call_s = graphs, clock, call_s
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._graphs, name)

    def _took(self) -> None:
        self.calls += 1
        self._clock.now_s += self._call_s

    def run(self, graph: str, feeds: Mapping[str, Any]) -> Any:
        """A call."""
        self._took()
        return self._graphs.run(graph, feeds)

    def keep(self, graph: str, feeds: Mapping[str, Any]) -> Any:
        """A call."""
        self._took()
        return self._graphs.keep(graph, feeds)


class Stage:
    """A 10 ms session and one of windows on one batcher, fed by the clock."""

    def __init__(self, identity: Bundle, graphs: Graphs, call_s: float) -> None:
        self.clock = ManualClock()
        self.graphs = Slow(graphs, self.clock, call_s)
        flow = bundle_in(self.graphs)
        self.batcher = Batcher(identity.program, self.clock)
        self.small = Session(identity, SessionConfig(48_000, 1, (SPEECH,)))
        self.big = Session(flow, SessionConfig(48_000, 1, (DOG,)))
        self.batcher.add(self.small)
        self.batcher.add(self.big, flow.program)
        self._fed = 0
        self._began_s = self.clock()

    def play(self, seconds: float) -> None:
        """Feed both every 10 ms, and step whenever there is something to do."""
        end_s = self.clock() + seconds
        while self.clock() < end_s:
            while self._began_s + self._fed * TICK_S <= self.clock():
                for session in (self.small, self.big):
                    session.feed_audio(noise(480), self._began_s + self._fed * TICK_S)
                    self.batcher.ready(session)
                self._fed += 1
            if self.batcher.pending:
                self.batcher.step()
            else:
                self.clock.now_s = self._began_s + self._fed * TICK_S


def test_a_small_hop_waits_for_one_call_at_most(identity: Bundle, flow_graphs: Graphs) -> None:
    stage = Stage(identity, flow_graphs, call_s=0.008)
    stage.play(2.0)
    assert stage.graphs.calls > 15
    assert stage.small.counters.late_hops == 0
    assert stage.small.meter.percentiles()["latency"][2] <= 0.008 + 1e-6
    assert stage.big.counters.hops >= 3
    assert stage.big.counters.late_hops == 0


def test_a_run_that_is_late_takes_turns_with_small_hops(identity: Bundle, flow_graphs: Graphs) -> None:
    """Calls are longer than a small hop: it is always ready, and neither may starve."""
    stage = Stage(identity, flow_graphs, call_s=0.06)
    stage.play(3.0)
    assert stage.big.counters.hops >= 3
    assert stage.small.meter.percentiles()["latency"][2] <= 0.06 + TICK_S


def test_cost_is_that_of_all_calls(identity: Bundle, flow_graphs: Graphs) -> None:
    stage = Stage(identity, flow_graphs, call_s=0.008)
    finished = []
    step = stage.batcher.step

    def noted() -> list[Session]:
        touched = step()
        if stage.big in touched:
            finished.append((stage.batcher.step_hops, stage.batcher.earlier_s))
        return touched

    stage.batcher.step = noted  # type: ignore[method-assign]
    stage.play(1.5)
    # Encoder, two evaluations and decoder; the first hop has the prompt's text and times besides.
    assert [hops for hops, _ in finished] == [1] * len(finished)
    assert finished[-1][1] == pytest.approx(4 * 0.008, abs=1e-6)


def test_more_rows_are_tried_where_the_last_step_fitted(flow_graphs: Graphs) -> None:
    """A step of a big model costs nearly the same for any rows: one row at most of a hop must not be the last word."""
    lane = Lane(bundle_in(flow_graphs).program)
    assert lane.affordable(0.5) == np.inf
    lane.long, lane.step_hops, lane.row_hop_s = True, 1, 0.3 * lane.hop_s
    assert lane.affordable(0.5) == 2
    lane.step_hops, lane.row_hop_s = 4, 0.1 * lane.hop_s
    assert lane.affordable(0.5) == 8
    lane.step_hops, lane.row_hop_s = 8, 0.1 * lane.hop_s
    assert lane.affordable(0.5) == pytest.approx(5), "it did not fit"
    lane.long, lane.step_hops = False, 1
    assert lane.affordable(0.5) == pytest.approx(5), "small models are as they cost"


def test_a_client_that_goes_leaves_no_run(identity: Bundle, flow_graphs: Graphs) -> None:
    stage = Stage(identity, flow_graphs, call_s=0.008)
    while not stage.graphs.calls:
        stage.play(TICK_S)
    assert stage.batcher.pending
    stage.batcher.discard(stage.big)
    stage.big.close()
    stage.batcher.step()
    assert not stage.batcher.pending


@pytest.mark.parametrize("on_failure", ["close", "pass"])
def test_a_fault_hurts_the_session_at_fault_alone(flow_graphs: Graphs, on_failure: Any) -> None:
    class Delicate(Slow):
        def run(self, graph: str, feeds: Mapping[str, Any]) -> Any:
            if graph == "velocity" and np.abs(feeds["mix"]).max() > 1e3:
                raise EngineFault("too loud")
            made = super().run(graph, feeds)
            if graph == "encoder":
                loud = np.abs(feeds["samples"]).max(axis=(1, 2)) > 0.9
                made["latents"][loud] = 1e4
            return made

    clock = ManualClock()
    flow = bundle_in(Delicate(flow_graphs, clock, 0.001))
    batcher = Batcher(flow.program, clock)
    config = SessionConfig(48_000, 1, (DOG,), on_failure=on_failure)
    quiet, loud = (Session(flow, config) for _ in range(2))
    for session, sound in ((quiet, noise(48_000)), (loud, np.full((1, 48_000), 0.95, np.float32))):
        batcher.add(session)
        session.feed_audio(sound, clock())
        session.flush(clock(), last=True)
        batcher.ready(session)
    while batcher.pending:
        batcher.step()
    assert quiet.failed is None
    assert quiet.finished
    assert quiet.counters.failed_hops == 0
    assert loud.counters.failed_hops > 0
    if on_failure == "close":
        assert str(loud.failed) == "too loud"
    else:
        assert loud.finished
        passed = np.concatenate([piece.samples for piece in loud.take()], axis=1)
        assert np.mean(passed == np.float32(0.95)) > 0.5


def test_a_file_waits_behind_live_windows(flow_graphs: Graphs) -> None:
    clock = ManualClock()
    flow = bundle_in(Slow(flow_graphs, clock, 0.008))
    batcher = Batcher(flow.program, clock)
    file = Session(flow, SessionConfig(48_000, 1, (DOG,), live=False))
    live = Session(flow, SessionConfig(48_000, 1, (DOG,)))
    for session in (file, live):
        batcher.add(session)
    file.feed_audio(noise(96_000), clock())
    batcher.ready(file)
    batcher.step()
    live.feed_audio(noise(flow.spec.audio.latency), clock())
    batcher.ready(live)
    done: list[Session] = []
    while batcher.pending:
        done += batcher.step()
    assert done[0] is live


def test_the_next_run_is_live_then_the_earliest(identity: Bundle) -> None:
    lane = Lane(identity.program)
    session = Session(identity, SessionConfig(48_000, 1, (SPEECH,)))

    def run(due_s: float, live: bool) -> Run:
        nothing: Iterator[list[Result]] = iter(())
        return Run(lane, {Work((0,), 0, noise(960), 1, (0,), due_s, live): session}, nothing, 0.0, 0.0)

    runs = [run(1.0, False), run(3.0, True), run(2.0, True)]
    assert next_run(runs) is runs[2]
    assert next_run(runs[:1]) is runs[0]
    assert runs[2].deadline_s == pytest.approx(2.01)
    assert runs[2].late(2.02)
    assert not runs[2].late(2.0)
    assert not runs[0].late(99.0)
    assert runs[0].wanted({session})
    assert not runs[0].wanted(set())


def test_wishes_that_come_during_a_run_hold_from_the_next_hop_on(flow_graphs: Graphs) -> None:
    flow = bundle_in(flow_graphs)
    sound, hop = noise(90_000), flow.spec.audio.hop
    crank = Crank(flow, SessionConfig(48_000, 1, (DOG,), residual=True))
    crank.session.feed_audio(sound[:, :40_000], crank.clock())
    crank.batcher.ready(crank.session)
    crank.batcher.step()  # a run is under way
    begins = crank.session.update((Target("dog", "rain"), Target("man", "man speaking")))
    crank.batcher.ready(crank.session)
    crank.batcher.step()
    again = crank.session.update((Target("dog", "music"),))  # changed again before that took effect
    crank.session.feed_audio(sound[:, 40_000:], crank.clock())
    crank.session.flush(crank.clock(), last=True)
    crank.turn()
    tracks = {track.name: crank.track(track.index) for track in crank.session.tracks}
    assert crank.session.finished
    assert tracks["dog/target"].shape == sound.shape
    assert tracks["residual"].shape == sound.shape
    later = begins + 2 * hop
    first = next(piece.pts for piece in crank.pieces if piece.track == 2)
    assert first == begins == again == hop  # the hop that was under way came first
    summed = tracks["dog/target"][:, later:] + tracks["residual"][:, later:] + tracks["man/target"][:, later - first :]
    np.testing.assert_allclose(summed, sound[:, later:], atol=1e-5)
    crank.session.close()


@pytest.mark.parametrize("behind", [1, 4])
@pytest.mark.parametrize("joining", [False, True])
def test_what_is_told_during_a_run_is_where_it_is_heard(flow_graphs: Graphs, behind: int, joining: bool) -> None:
    """Of one, two and three updates, in a run of one hop and of several, in one without and with the coming target."""
    flow = bundle_in(flow_graphs)
    hop = flow.spec.audio.hop
    sound = noise(14 * hop)
    for updates in range(1, 4):
        crank = Crank(flow, SessionConfig(48_000, 1, (DOG,)))
        crank.feed(sound[:, : hop + flow.spec.audio.latency])
        crank.session.feed_audio(sound[:, hop + flow.spec.audio.latency : (4 + behind) * hop], crank.clock())
        if joining:
            crank.session.update((Target("man", "thunder"),))
        crank.batcher.ready(crank.session)
        crank.batcher.step()
        assert crank.batcher.pending
        for phrase in ("rain", "music", "man speaking")[:updates]:
            told = crank.session.update((Target("man", phrase),))
        crank.session.feed_audio(sound[:, (4 + behind) * hop :], crank.clock())
        crank.flush()
        assert told > 0
        assert told == next(piece.pts for piece in crank.pieces if piece.track == 1)
        crank.session.close()
