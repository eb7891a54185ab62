"""`engine.programs.flow_step`: what slots of one stream share, and what is not computed twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from engine.bundle import Bundle
from engine.config import SessionConfig
from engine.frames import Work
from engine.offline import separate
from engine.programs.flow_step import Job, Slot
from engine.prompt import Target
from engine.runtimes.graphs import Graphs
from tests.engine.flow import SHORT, bundle_in
from tests.engine.streams import Crank, noise

DOG = Target("a", "dog")


@pytest.fixture
def worked(flow_graphs: Graphs, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Frames that went through each graph."""
    frames: Counter[str] = Counter()
    keep = flow_graphs.keep

    def counted(graph: str, feeds: Mapping[str, Any]) -> Any:
        if graph == "encoder":
            frames[graph] += feeds["samples"].size // 1920
        elif graph in ("velocity", "decoder"):
            shape = feeds["noisy" if graph == "velocity" else "latents"].shape
            frames[graph] += shape[0] * shape[1]
        return keep(graph, feeds)

    monkeypatch.setattr(flow_graphs, "keep", counted)
    return frames


@pytest.fixture
def bundle(flow_graphs: Graphs) -> Bundle:
    return bundle_in(flow_graphs)


def test_a_window_is_copied(bundle: Bundle) -> None:
    audio = bundle.spec.audio
    for channels in (1, 2):
        ring = noise(audio.window, channels)
        job = Job.of(Work((0,), audio.history, ring, 1, (0,)), [Slot()], audio)
        kept = job.parts.copy()
        ring[:] = 0.0
        np.testing.assert_array_equal(job.parts, kept)
        assert job.origin == 0


def test_the_mixture_is_encoded_once_for_all_who_listen(bundle: Bundle, worked: Counter[str]) -> None:
    separate(bundle, noise(60_000), 48_000, (DOG,), residual=False)
    alone = worked.copy()
    worked.clear()
    separate(bundle, noise(60_000), 48_000, (DOG, Target("b", "rain")), residual=False)
    assert worked["encoder"] == alone["encoder"]
    assert worked["velocity"] == 2 * alone["velocity"]


def test_whoever_comes_later_finds_the_past_encoded(bundle: Bundle, worked: Counter[str]) -> None:
    audio = bundle.spec.audio
    crank = Crank(bundle, SessionConfig(48_000, 1, (DOG,)))
    crank.feed(noise(3 * audio.hop + audio.latency))
    worked.clear()
    crank.feed(noise(audio.hop))
    before = worked["encoder"]
    crank.session.update((Target("b", "rain"),))
    worked.clear()
    crank.feed(noise(audio.hop))
    assert worked["encoder"] == before
    assert before == audio.hop // 1920 + 2 * 6  # the hop, and the margin on both sides


def test_the_last_hops_of_a_short_stream_share_one_window(flow_graphs: Graphs, worked: Counter[str]) -> None:
    clip = noise(60_000)
    long = SHORT.model_copy(update={"context_s": 2.0, "lookahead_s": 2.0})
    separate(bundle_in(flow_graphs, long), clip, 48_000, (DOG,), residual=False)
    frames = -(-60_000 // 1920)
    assert worked["velocity"] == 2 * frames  # one window of the whole clip, two evaluations
    assert worked["encoder"] == frames
