"""`engine.programs.flow_text`: features once a prompt, keys and values once a batch and time, a budget kept."""

from __future__ import annotations

import builtins
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest

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


def test_everything_is_made_once(flow_graphs: Graphs) -> None:
    graphs = Counted(flow_graphs)
    phrases = Phrases(FOLDER, flow(), graphs)
    first = done(phrases.memory(("dog", "man speaking"), 0.5))
    assert graphs.calls == ["text", "text", "condition"]
    assert done(phrases.memory(("dog", "man speaking"), 0.5)) is first
    done(phrases.memory(("dog", "man speaking"), 0.25))
    done(phrases.memory(("dog",), 0.5))
    assert graphs.calls == ["text", "text", "condition", "condition", "condition"]


def test_a_shorter_prompt_is_padded_and_masked(flow_graphs: Graphs) -> None:
    phrases = Phrases(FOLDER, flow(), flow_graphs)
    alone, both = (done(phrases.memory(asked, 0.5)) for asked in (("man",), ("man", "man speaking")))
    tokens = len(phrases.tokens("man"))
    assert tokens < both["keys"].shape[3]
    np.testing.assert_array_equal(both["text_mask"].sum(axis=1), [tokens, len(phrases.tokens("man speaking"))])
    np.testing.assert_allclose(both["keys"][0, :, :, :tokens], alone["keys"][0], atol=1e-5)


def test_what_is_remembered_keeps_within_its_budget(flow_graphs: Graphs) -> None:
    graphs = Counted(flow_graphs)
    one = Phrases(FOLDER, flow(), graphs)
    done(one.memory(("dog",), 0.0))
    size = one._bytes
    phrases = Phrases(FOLDER, flow(), graphs, most_bytes=3 * size)
    for number in range(10):
        done(phrases.memory(("dog",), number / 10))
        assert phrases._bytes <= 3 * size
    graphs.calls.clear()
    done(phrases.memory(("dog",), 0.9))
    done(phrases.memory(("dog",), 0.0))
    assert graphs.calls == ["condition"]


def test_the_budget_holds_a_quality_window_of_seven_phrases_of_the_base_model_in_stereo() -> None:
    layers, dim, tokens, times, parts = 16, 2048, 8, 32, 2
    row = 4 * (2 * layers * dim * tokens + 6 * dim + dim)
    assert 7 * parts * times * row <= MOST_BYTES < 8 * parts * times * row


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
