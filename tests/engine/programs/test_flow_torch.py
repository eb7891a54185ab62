"""The `flow_audio` program against the exporter's torch model, for a clip that lies in one window."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.offline import separate
from engine.prompt import Span, Target
from engine.spec import FlowMode
from tests.engine.flow import bundle_in, open_graphs
from tests.engine.streams import noise

torch = pytest.importorskip("torch", reason="torch is the exporter's affair; without it there is nothing to compare to")
pytest.importorskip("transformers", reason="the torch model reads prompts with transformers")
pytest.importorskip("safetensors", reason="the tiny checkpoint is a safetensors file")


class Reel:
    """Pictures of noise of the very size that the model wants."""

    def __init__(self, frames: int, side: int) -> None:
        self.pictures = np.random.default_rng(1).integers(0, 256, (frames, side, side, 3), np.uint8)
        self._given = 0

    def next(self, count: int, side: int) -> NDArray[np.uint8]:
        """See `engine.prompt.Pictures`."""
        self._given += count
        return self.pictures[self._given - count : self._given]


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Two threads that wait for each other on a busy machine take a minute for a second's work."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("one_thread")
def test_one_window_is_the_torch_models(tmp_path: Path) -> None:
    from export.models.sam_audio.prompt import Prompt
    from export.models.sam_audio.separator import SamAudio
    from export.models.sam_audio.solver import Solver
    from export.models.sam_audio.spans import Span as Marked
    from export.models.sam_audio.video import VisualPrompt
    from tests.export.tiny_sam_audio import write_checkpoint, write_t5

    clip = noise(30_000)  # ends within a frame
    spans = (Span(0.1, 0.3), Span(0.4, 0.5))
    mode = FlowMode(context_s=2.0, hop_s=0.4, lookahead_s=2.0, crossfade_s=0.04, solver="midpoint", steps=2)
    graphs = open_graphs()
    bundle = bundle_in(graphs, mode)
    frames = -(-clip.shape[1] // bundle.spec.audio.grain)
    reel = Reel(frames, graphs.width("vision", "pictures")) if graphs.has("vision") else None
    got = separate(bundle, clip, 48_000, (Target("man", "man speaking", spans, pictures=reel),)).targets["man"]
    model = SamAudio.open(write_checkpoint(tmp_path / "checkpoint"), write_t5(tmp_path / "t5"))
    picture = None
    if reel is not None:
        picture = VisualPrompt(torch.from_numpy(np.moveaxis(reel.pictures, 3, 1).copy()), None, "target")
    prompt = Prompt("man speaking", tuple(Marked("+", span.start_s, span.end_s) for span in spans), picture)
    wanted = model.separate([torch.from_numpy(clip)], [prompt], solver=Solver("midpoint", 2), seed=0, message=0)
    np.testing.assert_allclose(got[0], wanted.target[0].numpy(), atol=5e-5)
    assert float(np.abs(got).max()) > 0.1
