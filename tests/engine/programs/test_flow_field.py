"""`engine.programs.flow_field`: batches of what is alike, whatever order and number it comes in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.programs.base import Calls
from engine.programs.flow_field import MOST_ROWS, FlowField, Row
from engine.programs.flow_text import Phrases
from engine.runtimes.graphs import Graphs
from engine.spec import PlanLimits, load_spec
from tests.engine.flow import FOLDER, SHORT, open_graphs

T = TypeVar("T")


def field(graphs: Graphs) -> FlowField:
    flow = load_spec(FOLDER).flow
    assert flow is not None
    return FlowField(graphs, flow, Phrases(FOLDER, flow, graphs), SHORT)


def done(calls: Calls[T]) -> tuple[T, int]:
    """What calls were made for, and how many turns they gave."""
    turns = 0
    while True:
        try:
            next(calls)
            turns += 1
        except StopIteration as end:
            return end.value, turns


def arrays(*shapes: tuple[int, ...]) -> list[NDArray[np.float32]]:
    random = np.random.default_rng(0)
    return [random.standard_normal(shape).astype(np.float32) for shape in shapes]


def test_unlike_lengths_come_back_in_order(flow_graphs: Graphs) -> None:
    made = field(flow_graphs)
    sounds = [0.1 * sound for sound in arrays((3840,), (1920,), (3840,))]
    latents, turns = done(made.encode(sounds))
    assert ([len(one) for one in latents], turns) == ([2, 1, 2], 2)
    back, turns = done(made.decode(latents))
    assert ([len(one) for one in back], turns) == ([3840, 1920, 3840], 2)
    for one, alone in zip(latents, sounds, strict=True):
        np.testing.assert_allclose(done(made.encode([alone]))[0][0], one, atol=2e-5)


def test_a_row_does_not_depend_on_its_neighbours(flow_graphs: Graphs) -> None:
    made, latent = field(flow_graphs), load_spec(FOLDER).flow.latent  # type: ignore[union-attr]
    mixes = arrays(*[(10, latent)] * 3, (7, latent))
    marks = np.array([1] * 5 + [2] * 5, np.int8)
    rows = [
        Row("dog", 0, mixes[0]), Row("man speaking", 3, mixes[1], marks), Row("rain", 0, mixes[2], seed=4),
        Row("dog", 0, mixes[3]),
    ]  # fmt: skip
    together, _ = done(made.solve(rows))
    assert [one.shape for one in together] == [(10, 2 * latent)] * 3 + [(7, 2 * latent)]
    for row, one in zip(rows, together, strict=True):
        np.testing.assert_allclose(done(made.solve([row]))[0][0], one, atol=2e-5)
    for other in (
        Row("cat", 0, mixes[0]),
        Row("dog", 1, mixes[0]),
        Row("dog", 0, mixes[0], marks),
        Row("dog", 0, mixes[0], seed=1),
    ):
        assert np.abs(done(made.solve([other]))[0][0] - together[0]).max() > 1e-3


def test_a_batch_is_never_larger_than_agreed(flow_graphs: Graphs, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    run = flow_graphs.run

    def counted(graph: str, feeds: Mapping[str, Any]) -> Any:
        if graph == "velocity":
            sizes.append(len(feeds["noisy"]))
        return run(graph, feeds)

    monkeypatch.setattr(flow_graphs, "run", counted)
    made = field(flow_graphs)
    (mix,) = arrays((4, load_spec(FOLDER).flow.latent))  # type: ignore[union-attr]
    done(made.solve([Row("dog", number, mix) for number in range(MOST_ROWS + 3)]))
    assert sorted(set(sizes)) == [3, MOST_ROWS]


def test_a_long_prompt_has_a_call_of_its_own(flow_graphs: Graphs, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[int, int]] = []
    run = flow_graphs.run

    def counted(graph: str, feeds: Mapping[str, Any]) -> Any:
        if graph == "velocity":
            calls.append(feeds["text_mask"].shape)
        return run(graph, feeds)

    monkeypatch.setattr(flow_graphs, "run", counted)
    made, latent = field(flow_graphs), load_spec(FOLDER).flow.latent  # type: ignore[union-attr]
    (mix,) = arrays((6, latent))
    rows = [Row(phrase, 0, mix) for phrase in ("word " * 100, "dog", "a man who speaks", "dog")]
    together, _ = done(made.solve(rows))
    assert {rows for rows, _ in calls} == {1, 3}
    assert max(tokens for rows, tokens in calls if rows == 3) < 64
    for row, one in zip(rows, together, strict=True):
        np.testing.assert_allclose(done(made.solve([row]))[0][0], one, atol=2e-5)


class Planned:
    """The tiny bundle's graphs on a machine for which a plan for ten frames was built; which graph each call is of."""

    def __init__(self, graphs: Graphs) -> None:
        self._graphs = graphs
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._graphs, name)

    def runs(self, graph: str) -> bool:
        """See `Graphs.runs`."""
        return graph == "velocity@10"

    def run(self, graph: str, feeds: Mapping[str, Any]) -> Any:
        """A call; the plan computes what the plain graph does."""
        self.calls.append(graph)
        return self._graphs.run(graph.partition("@")[0], feeds)


@pytest.mark.parametrize(
    ("rows", "phrase", "frames", "graph"),
    [
        (3, "dog", 10, "velocity@10"),
        (3, "dog", 9, "velocity"),
        (4, "dog", 10, "velocity"),
        (1, "man speaking of rain and of the dog", 10, "velocity"),
    ],
)
def test_a_plan_runs_within_what_it_was_built_for(
    flow_graphs: Graphs, rows: int, phrase: str, frames: int, graph: str
) -> None:
    graphs = Planned(flow_graphs)
    flow = load_spec(FOLDER).flow
    assert flow is not None
    phrases = Phrases(FOLDER, flow, graphs)
    limits = PlanLimits(most_rows=3, most_tokens=len(phrases.tokens("man speaking")))
    assert (len(phrases.tokens(phrase)) > limits.most_tokens) == (phrase != "dog")
    made = FlowField(graphs, flow.model_copy(update={"plans": limits}), phrases, SHORT)
    (mix,) = arrays((frames, flow.latent))
    done(made.solve([Row(phrase, number, mix) for number in range(rows)]))
    assert set(graphs.calls) - {"text"} == {graph}


def test_the_order_of_rows_makes_nothing_anew(flow_graphs: Graphs, monkeypatch: pytest.MonkeyPatch) -> None:
    made, latent = field(flow_graphs), load_spec(FOLDER).flow.latent  # type: ignore[union-attr]
    mixes = arrays(*[(6, latent)] * 4)
    rows = [Row(phrase, 0, mix) for phrase, mix in zip(("rain", "dog", "music", "dog"), mixes, strict=True)]
    first, _ = done(made.solve(rows))
    kept: list[str] = []
    keep = flow_graphs.keep

    def counted(graph: str, feeds: Mapping[str, Any]) -> Any:
        kept.append(graph)
        return keep(graph, feeds)

    monkeypatch.setattr(flow_graphs, "keep", counted)
    for order in ([2, 3, 0, 1], [1, 0, 3, 2], [3, 2, 1, 0]):
        again, _ = done(made.solve([rows[number] for number in order]))
        for number, one in zip(order, again, strict=True):
            np.testing.assert_allclose(one, first[number], atol=2e-5)
    assert "condition" not in kept


def test_marks_go_on_from_their_states() -> None:
    made = field(open_graphs())
    if not made.marks:
        pytest.skip("the tiny bundle has no watermark")
    (sound,) = arrays((4 * 1920,))
    ((whole, _),), _ = done(made.mark([sound], [None], 5))
    ((first, state),), _ = done(made.mark([sound[:1920]], [None], 5))
    ((second, _),), _ = done(made.mark([sound[1920:]], [state], 5))
    np.testing.assert_allclose(np.concatenate([first, second]), whole, atol=1e-5)
    ((other, _),), _ = done(made.mark([sound], [None], 6))
    assert np.abs(other - whole).max() > 1e-4
