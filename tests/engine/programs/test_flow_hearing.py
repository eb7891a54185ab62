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
        self.sure = 0.9
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
            heard[:, BEGIN:END] = self.sure
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
    assert (found.start_s, found.end_s) == (round(BEGIN * 0.04, 3), 1.0)
    assert found.probability == pytest.approx(0.9, abs=1e-3)


@pytest.mark.parametrize("channels", [1, 2])
def test_what_is_told_is_what_was_marked(bundle: Bundle, ear: WithEar, channels: int) -> None:
    """However short it is, and however little above the predictor's threshold."""
    ear.sure = 0.35
    sound = noise(48_000, channels)
    (found,) = predict_spans(bundle, sound, 48_000, (Target("a", "dog"),))["a"]
    (whole,) = {tuple(row) for anchors in ear.anchors for row in anchors if anchors.shape[1] == 25}
    assert (found.start_s, found.end_s) == (round(whole.index(2) * 0.04, 3), 1.0)
    assert found.probability == pytest.approx(0.35, abs=1e-3)
    taken = separate(bundle, sound, 48_000, (Target("a", "dog", predict_spans=True),)).targets["a"]
    level_db = 10 * np.log10(np.mean(np.square(taken[:, BEGIN * 1920 :])))
    assert found.level_db == pytest.approx(level_db, abs=0.1)


def test_what_the_caller_marked_is_told_too(bundle: Bundle) -> None:
    target = Target("a", "dog", spans=(Span(0.2, 0.48),))
    (found,) = predict_spans(bundle, CLIP, 48_000, (target,))["a"]
    assert (found.start_s, found.end_s, found.probability) == (0.2, 0.48, 1.0)


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
