"""`engine.programs.flow_hearing`: what is heard marks the frames, unless the caller has marked them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.bundle import Bundle
from engine.errors import BadInput, BundleError
from engine.offline import predict_spans, separate
from engine.programs.flow_audio import FlowProgram
from engine.programs.flow_hearing import Hearing
from engine.prompt import Span, Target
from engine.runtimes.graphs import Graphs
from tests.engine.flow import FOLDER, SHORT, bundle_in
from tests.engine.streams import noise

BEGIN, END = 12, 25
"""Frames in which the ear below hears every phrase."""


class WithEar:
    """The tiny bundle's graphs, and a span predictor (no part of that bundle) that answers by absolute frame."""

    def __init__(self, graphs: Graphs) -> None:
        self._graphs = graphs
        self.asked: list[dict[str, NDArray[Any]]] = []
        self.anchors: list[NDArray[np.int64]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._graphs, name)

    def has(self, graph: str) -> bool:
        """Also spans."""
        return graph == "spans" or self._graphs.has(graph)

    def run(self, graph: str, feeds: Mapping[str, Any]) -> Any:
        """A call."""
        if graph == "spans":
            self.asked.append(dict(feeds))
            heard = np.full(feeds["latents"].shape[:2], 0.1, np.float32)
            heard[:, BEGIN:END] = 0.9
            return {"heard": heard}
        if graph == "velocity":
            self.anchors.append(np.asarray(feeds["anchor_alignment"]))
        return self._graphs.run(graph, feeds)


@pytest.fixture
def ear(flow_graphs: Graphs) -> WithEar:
    return WithEar(flow_graphs)


@pytest.fixture
def bundle(ear: WithEar, tmp_path: Path) -> Bundle:
    for file in ("tokenizer.json", "spans_tokenizer.json"):
        shutil.copy(FOLDER / "tokenizer.json", tmp_path / file)
    return bundle_in(ear, SHORT.model_copy(update={"context_s": 2.0}), tmp_path)


CLIP = noise(48_000)
"""25 frames, less than the context of the mode below: every window begins with frame 0."""


def test_what_is_heard_marks_the_frames(bundle: Bundle, ear: WithEar) -> None:
    plain = separate(bundle, CLIP[:, :40_000], 48_000, (Target("a", "dog"),)).targets["a"]
    assert not ear.asked
    ear.anchors.clear()
    got = separate(bundle, CLIP[:, :40_000], 48_000, (Target("a", "dog", predict_spans=True),)).targets["a"]
    whole = next(anchors for anchors in ear.anchors if anchors.shape[1] == 21)[0]
    np.testing.assert_array_equal(whole, np.where(np.arange(21) >= BEGIN, 2, 0))
    assert set(ear.asked[0]) == {"latents", "frame_mask", "tokens", "token_mask"}
    assert np.abs(got - plain).max() > 1e-3


def test_the_callers_spans_go_before(bundle: Bundle, ear: WithEar) -> None:
    target = Target("a", "dog", spans=(Span(0.0, 0.2),), predict_spans=True)
    separate(bundle, CLIP[:, :30_000], 48_000, (target,))
    assert not ear.asked


def test_where_it_sounds_is_told_by_frame(bundle: Bundle) -> None:
    (found,) = predict_spans(bundle, CLIP, 48_000, (Target("a", "dog"),))["a"]
    assert found.start_s == pytest.approx(BEGIN * 0.04, abs=0.081)
    assert found.end_s == pytest.approx(END * 0.04, abs=0.081)
    assert found.probability > 0.8


def test_a_bundle_without_the_graph_says_so(flow_graphs: Graphs) -> None:
    plain = bundle_in(flow_graphs)
    assert isinstance(plain.program, FlowProgram)
    assert not plain.program.hears
    with pytest.raises(BadInput) as caught:
        predict_spans(plain, CLIP, 48_000, (Target("a", "dog"),))
    assert caught.value.field == "predict_spans"


def test_its_tokenizer_is_needed(flow_graphs: Graphs) -> None:
    with pytest.raises(BundleError, match=r"spans_tokenizer\.json: is no tokenizer"):
        Hearing(FOLDER, flow_graphs, 10)
