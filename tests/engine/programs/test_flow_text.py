"""`engine.programs.flow_text`: features once a prompt, keys and values once a prompt and time, a budget kept."""

from __future__ import annotations

import builtins
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.errors import BundleError
from engine.programs.base import Calls
from engine.programs.flow_text import MOST_BYTES, Phrases
from engine.runtimes.graphs import Graphs
from engine.spec import FlowSpec, load_spec
from tests.engine.flow import FOLDER

T = TypeVar("T")


class Counted:
    """The tiny bundle's graphs, counting calls."""

    def __init__(self, graphs: Graphs) -> None:
        self._graphs = graphs
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._graphs, name)

    def run(self, graph: str, feeds: Mapping[str, Any]) -> Any:
        """A call."""
        self.calls.append(graph)
        return self._graphs.run(graph, feeds)

    def keep(self, graph: str, feeds: Mapping[str, Any]) -> Any:
        """A call."""
        self.calls.append(graph)
        return self._graphs.keep(graph, feeds)


def flow() -> FlowSpec:
    found = load_spec(FOLDER).flow
    assert found is not None
    return found


def done(calls: Calls[T]) -> T:
    while True:
        try:
            next(calls)
        except StopIteration as end:
            value: T = end.value
            return value


def test_everything_is_made_once_for_each_prompt_and_time(flow_graphs: Graphs) -> None:
    graphs = Counted(flow_graphs)
    phrases = Phrases(FOLDER, flow(), graphs)
    first = done(phrases.memory(("dog", "man speaking", "dog"), 0.5))
    assert sorted(graphs.calls) == ["condition", "condition", "text", "text"]
    for company in (("dog", "man speaking", "dog"), ("man speaking", "dog"), ("dog",), ("dog",) * 5):
        again = done(phrases.memory(company, 0.5))
        np.testing.assert_array_equal(again["keys"][company.index("dog")], _cut(first["keys"][0], again["keys"]))
    assert len(graphs.calls) == 4
    done(phrases.memory(("rain", "dog"), 0.5))
    assert graphs.calls[4:] == ["text", "condition"]
    done(phrases.memory(("dog",), 0.25))
    assert graphs.calls[6:] == ["condition"]


def _cut(row: NDArray[np.float32], batch: NDArray[np.float32]) -> NDArray[np.float32]:
    """A row's keys `(layers, heads, tokens, head)` as long as a batch's."""
    return row[:, :, : batch.shape[3]]


def test_a_shorter_prompt_is_padded_and_masked(flow_graphs: Graphs) -> None:
    phrases = Phrases(FOLDER, flow(), flow_graphs)
    alone, both = (done(phrases.memory(asked, 0.5)) for asked in (("man",), ("man", "man speaking")))
    tokens = len(phrases.tokens("man"))
    assert alone["keys"].shape[3] == tokens < both["keys"].shape[3]
    np.testing.assert_array_equal(both["text_mask"].sum(axis=1), [tokens, len(phrases.tokens("man speaking"))])
    np.testing.assert_array_equal(both["keys"][0, :, :, :tokens], alone["keys"][0])
    np.testing.assert_array_equal(both["keys"][0, :, :, tokens:], 0.0)


def test_one_long_prompt_leaves_the_others_what_is_kept_of_them(flow_graphs: Graphs) -> None:
    graphs = Counted(flow_graphs)
    company, times = ("dog", "rain", "man speaking", "word " * 100), [number / 8 for number in range(8)]
    size = Phrases(FOLDER, flow(), graphs)
    for phrase in company[:3]:
        done(size.memory((phrase,), 0.0))
    phrases = Phrases(FOLDER, flow(), graphs, most_bytes=10 * size.kept.bytes)
    for window in range(4):
        graphs.calls.clear()
        for t in times:
            done(phrases.memory(company, t))
            assert phrases.kept.bytes <= 10 * size.kept.bytes
        if window:
            assert graphs.calls.count("condition") <= len(times)  # the long one's


def test_the_budget_holds_a_quality_window_of_fifteen_phrases_of_the_base_model() -> None:
    layers, dim, tokens, times = 16, 2048, 8, 32
    phrase = 4 * (2 * layers * dim * tokens + 6 * dim + dim)
    assert 15 * times * phrase <= MOST_BYTES < 16 * times * phrase


def test_long_prompts_are_cut(flow_graphs: Graphs) -> None:
    short = flow().model_copy(update={"max_tokens": 4})
    assert len(Phrases(FOLDER, short, flow_graphs).tokens("a man speaking of many things")) == 4


def test_no_tokenizer(flow_graphs: Graphs, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"tokenizer\.json: is no tokenizer"):
        Phrases(tmp_path, flow(), flow_graphs)
    shutil.copy(FOLDER / "spec.json", tmp_path / "tokenizer.json")
    with pytest.raises(BundleError, match=r"tokenizer\.json: is no tokenizer"):
        Phrases(tmp_path, flow(), flow_graphs)


def test_without_the_package_the_extra_is_named(flow_graphs: Graphs, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *more: Any, **named: Any) -> Any:
        if name == "tokenizers":
            raise ImportError(name)
        return real(name, *more, **named)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(BundleError, match=r"pip install 'winnow-live\[sam-audio-live\]'"):
        Phrases(FOLDER, flow(), flow_graphs)
