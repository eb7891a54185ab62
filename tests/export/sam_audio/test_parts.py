from __future__ import annotations

import numpy as np
import onnxruntime as ort
import torch

from export.models.sam_audio.noise import frame_noise
from export.models.sam_audio.prompt import Prompt
from export.models.sam_audio.separator import SamAudio
from export.models.sam_audio.solver import Solver
from export.sam_audio.sources import Source
from tests.export.sam_audio.conftest import FROZEN


def session(name: str) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(str(FROZEN / f"{name}.onnx"), options)


def test_a_clip_through_the_graphs_is_what_the_model_separates(source: Source) -> None:
    """Sound → latents → two midpoint steps → sound, each by the bundle's graphs, against part 1's `separate`."""
    torch.manual_seed(2)
    solver, wave = Solver("midpoint", 2), 0.2 * torch.randn(1, 9 * 1920)
    model = SamAudio.open(source.t5.parent / "sam-audio-tiny", source.t5)
    wanted = model.separate([wave], [Prompt("man speaking")], solver=solver, seed=4, watermark=False).target[0]

    features, keep = model._text(["man speaking"])
    (mix,) = session("encoder").run(None, {"samples": wave[None].numpy()})
    condition, velocity = session("condition"), session("velocity")
    fixed = {
        "mix": mix,
        "video": np.zeros((1, 20, 9), np.float32),
        "anchor_ids": np.array([[0, 3]]),
        "anchor_alignment": np.zeros((1, 9), np.int64),
        "frame_mask": np.ones((1, 9), np.bool_),
        "text_mask": keep.numpy(),
    }

    def evaluate(t: float, noisy: torch.Tensor) -> torch.Tensor:
        names = ("keys", "values", "modulation", "final")
        made = condition.run(names, {"text": features.numpy(), "time": np.full(1, t, np.float32)})
        feeds = {"noisy": noisy.numpy(), **fixed, **dict(zip(names, made, strict=True))}
        return torch.from_numpy(velocity.run(None, feeds)[0])

    both = solver.solve(evaluate, frame_noise(4, 0, 9, 12)[None]).numpy()
    (samples,) = session("decoder").run(None, {"latents": np.ascontiguousarray(both[..., :6])})
    assert np.abs(samples[0, 0] - wanted.numpy()).max() < 5e-5


def test_the_bundles_tokenizer_says_what_the_model_s_does(source: Source) -> None:
    from tokenizers import Tokenizer

    frozen = Tokenizer.from_file(str(FROZEN / "tokenizer.json"))
    ids = frozen.encode("man speaking").ids
    assert ids[-1] == 1
    (text,) = session("text").run(None, {"tokens": np.array([ids]), "token_mask": np.ones((1, len(ids)), np.bool_)})
    wanted = SamAudio.open(source.t5.parent / "sam-audio-tiny", source.t5)._text(["man speaking"]).features
    assert np.abs(text - wanted.numpy()).max() < 1e-5
