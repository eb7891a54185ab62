from __future__ import annotations

from typing import Any

import onnxruntime as ort
import torch

from export.models.sam_audio.codec import Codec
from export.sam_audio.graphs import Graph
from export.sam_audio.sources import Source
from tests.export.sam_audio.conftest import FROZEN


def test_in_pieces_it_marks_as_it_marks_the_whole(made: dict[str, Graph], source: Source) -> None:
    """Torch in pieces, the frozen graph in pieces, and part 1's watermark on the whole, with two items of a batch."""
    torch.manual_seed(0)
    part: Any = made["watermark"].part
    codec = Codec(source.config.audio_codec).eval()
    source.checkpoint.load(codec, "audio_codec.")
    wave, message = 0.3 * torch.randn(2, 1, 8 * 1920), torch.randint(0, 2, (2, 16))
    with torch.no_grad():
        wanted = codec.decoder.marked(wave, message)
    graph = ort.InferenceSession(str(FROZEN / "watermark.onnx"))
    state, in_graph = torch.zeros(2, part.state_size), torch.zeros(2, part.state_size).numpy()
    by_torch, by_graph = [], []
    for piece in wave.split([1920, 3 * 1920, 4 * 1920], -1):
        with torch.no_grad():
            out, state = part(piece, message, state)
        by_torch.append(out)
        marked, in_graph = graph.run(
            None, {"samples": piece.numpy(), "message": message.numpy(), "state": in_graph}
        )  # fmt: skip
        by_graph.append(torch.from_numpy(marked))
    assert (wanted - wave).abs().max() > 1e-3
    for pieces in (by_torch, by_graph):
        torch.testing.assert_close(torch.cat(pieces, -1), wanted, rtol=0, atol=5e-6)
