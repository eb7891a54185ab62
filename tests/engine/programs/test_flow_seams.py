"""Where one window ends and the next begins: what each makes of the same samples, and what is heard there.

The tiny bundle's sound is noise, in which a hard cut between two unrelated sounds is no step. So the two windows'
versions of a crossfade are compared before they are joined, and each measure is shown to fail on what is broken.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from benchmarks.sam_audio_stream import Overlaps, Seams
from engine.bundle import Bundle
from engine.frames import Samples
from engine.offline import separate
from engine.programs import flow_field
from engine.programs.flow_audio import FlowProgram
from engine.programs.flow_noise import frame_noise
from engine.prompt import Target
from engine.runtimes.graphs import Graphs
from tests.engine.flow import bundle_in
from tests.engine.streams import noise

AGREE_DB, APART_DB = 20.0, 6.0


def heard(bundle: Bundle) -> tuple[Samples, list[float]]:
    """Six seconds of a target, and how well the windows agreed in each crossfade, dB."""
    with Overlaps() as overlaps:
        sound = separate(bundle, noise(48_000 * 6), 48_000, (Target("man", "man speaking"),)).targets["man"]
    assert len(overlaps.agreement_db) >= 13
    return sound, list(overlaps.agreement_db)


def seam_db(bundle: Bundle, sound: Samples) -> float:
    audio = bundle.spec.audio
    seams = Seams(audio.hop, audio.crossfade, audio.sample_rate)
    seams.add(sound[:, : -2 * audio.hop])
    return seams.db


def test_neighbouring_windows_agree_on_what_both_cover(flow_graphs: Graphs) -> None:
    _, agreement_db = heard(bundle_in(flow_graphs))
    assert min(agreement_db) > AGREE_DB


def untie(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every window starts from noise of its own."""
    seeds = iter(range(1000))
    monkeypatch.setattr(
        flow_field, "frame_noise", lambda _, first, count, width: frame_noise(next(seeds), first, count, width)
    )


def cut_short(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """The decoder hears nothing around what it decodes."""
    program = bundle.program
    assert isinstance(program, FlowProgram)
    monkeypatch.setattr(program._step, "_flow", program._step._flow.model_copy(update={"decoder_margin": 0}))


@pytest.mark.parametrize("spoil", [untie, cut_short])
def test_they_would_not_without_what_ties_them(
    flow_graphs: Graphs, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Bundle, pytest.MonkeyPatch], None]
) -> None:
    bundle = bundle_in(flow_graphs)
    spoil(bundle, monkeypatch)
    _, agreement_db = heard(bundle)
    assert np.median(agreement_db) < APART_DB


def test_borders_of_hops_are_as_loud_as_what_lies_between(flow_graphs: Graphs) -> None:
    bundle = bundle_in(flow_graphs)
    sound, _ = heard(bundle)
    assert abs(seam_db(bundle, sound)) < 1.0
    holes = sound.copy()
    for border in range(bundle.spec.audio.hop, sound.shape[1], bundle.spec.audio.hop):
        holes[:, border : border + 24] = 0.0
    assert abs(seam_db(bundle, holes)) > 1.0
