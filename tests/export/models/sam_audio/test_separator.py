from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from engine.errors import BadInput
from export.models.sam_audio import vision
from export.models.sam_audio.checkpoint import Checkpoint
from export.models.sam_audio.config import SamAudioConfig
from export.models.sam_audio.prompt import Prompt
from export.models.sam_audio.separator import SamAudio, Separated
from export.models.sam_audio.solver import Solver
from export.models.sam_audio.spans import Span
from export.models.sam_audio.text import TextFeatures
from export.models.sam_audio.video import VisualPrompt
from tests.export.models.sam_audio.conftest import WAVE, close

SOLVERS = {"midpoint16": Solver(), "midpoint2": Solver("midpoint", 2), "euler4": Solver("euler", 4)}


@pytest.fixture
def model(
    config: SamAudioConfig, checkpoint: Checkpoint, reference: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> SamAudio:
    """The tiny checkpoint; its text features are those the reference gave (`test_text.py` tests T5 itself)."""
    monkeypatch.setitem(vision.HEADS, "PE-Tiny", (2, 2))

    def text(prompts: Sequence[str]) -> TextFeatures:
        return TextFeatures(reference["text.features"][: len(prompts)], reference["text.mask"][: len(prompts)])

    return SamAudio(config, checkpoint, text)


def prompts(case: str, reference: dict[str, Tensor], spans: list[list[Span]]) -> list[Prompt]:
    """Text alone, or with spans and pictures."""
    if case == "text":
        return [Prompt("man speaking"), Prompt("thunder")]
    pictures = [
        VisualPrompt(reference[f"video.frames{item}"], reference[f"video.mask{item}"][:, 0], "hide") for item in (0, 1)
    ]
    return [Prompt("x", tuple(own), picture) for own, picture in zip(spans, pictures, strict=True)]


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("case", ["text", "all"])
def test_separation(
    case: str, solver: str, model: SamAudio, reference: dict[str, Tensor], spans: list[list[Span]], message: int
) -> None:
    waves = [reference["audio0"], reference["audio1"]]
    asked = prompts(case, reference, spans)
    out = model.separate(waves, asked, solver=SOLVERS[solver], noise=reference["noise"], message=message)
    close(out.latent, reference[f"separate.{case}.{solver}.latent"])
    for name, sounds in (("target", out.target), ("residual", out.residual)):
        for item, (sound, wave) in enumerate(zip(sounds, waves, strict=True)):
            assert len(sound) == wave.shape[1], "trimmed to the input"
            wanted = reference.get(f"separate.{case}.{solver}.{name}{item}")
            if wanted is not None:
                close(sound, wanted[: len(sound)], WAVE)


def quick(model: SamAudio, wave: Tensor, prompt: Prompt, seed: int = 5, watermark: bool = True) -> Separated:
    """One clip, one step."""
    return model.separate([wave], [prompt], solver=Solver("euler", 1), seed=seed, watermark=watermark)


def test_the_seed_decides_everything(model: SamAudio) -> None:
    wave = torch.randn(1, 4000)
    first, again, other = (quick(model, wave, Prompt("a"), seed) for seed in (5, 5, 6))
    assert torch.equal(first.target[0], again.target[0])
    assert not torch.equal(first.target[0], other.target[0])


def test_spans_take_effect(model: SamAudio) -> None:
    wave = torch.randn(1, 20_000)
    plain = quick(model, wave, Prompt("a"))
    marked = quick(model, wave, Prompt("a", (Span("-", 0.1, 0.3),)))
    assert float((plain.latent - marked.latent).abs().max()) > 0.05


def test_predicted_spans_take_effect_and_give_way_to_the_callers(model: SamAudio) -> None:
    class Predictor:
        def spans(self, latent: Tensor, keep: Tensor, captions: Sequence[str], frame_s: float) -> list[list[Span]]:
            assert latent.shape == (*keep.shape, 6)
            return [[Span("+", 0.0, 4 * frame_s)] for _ in captions]

    model.predictor = Predictor()  # type: ignore[assignment]
    wave, solver = torch.randn(1, 20_000), Solver("euler", 1)
    own = (Span("-", 0.1, 0.3),)
    predicted = model.separate([wave], [Prompt("a")], solver=solver, predict_spans=True)
    assert predicted.spans == [(Span("+", 0.0, 0.16),)]
    said = model.separate([wave], [Prompt("a", predicted.spans[0])], solver=solver)
    assert torch.equal(predicted.latent, said.latent)
    assert model.separate([wave], [Prompt("a", own)], solver=solver, predict_spans=True).spans == [own]


def test_predicting_spans_without_a_predictor_is_refused(model: SamAudio) -> None:
    with pytest.raises(BadInput, match="predict_spans"):
        model.separate([torch.zeros(1, 4000)], [Prompt("a")], predict_spans=True)


def test_the_watermark_is_a_choice(model: SamAudio) -> None:
    wave = torch.randn(1, 4000)
    plain, marked = (quick(model, wave, Prompt("a"), watermark=on).target[0] for on in (False, True))
    assert float((plain - marked).abs().max()) > 1e-3


def test_a_clip_shorter_than_a_frame_is_no_exception(model: SamAudio) -> None:
    assert quick(model, torch.randn(2, 3), Prompt("a")).target[0].shape == (3,)


def test_only_a_visual_prompt_loads_the_tower(model: SamAudio, reference: dict[str, Tensor]) -> None:
    quick(model, torch.randn(1, 4000), Prompt("a"))
    assert "tower" not in vars(model)
    quick(model, torch.randn(1, 4000), Prompt("", (), VisualPrompt(reference["video.frames0"], None, "target")))
    assert "tower" in vars(model)


def test_what_is_skipped_is_told(model: SamAudio) -> None:
    skipped = dict(model.skipped)
    assert skipped.pop("text_encoder") == 20
    # The text tower beside the picture tower.
    assert skipped.pop("vision_encoder.model.transformer") > 1
    assert {name.rpartition(".")[0] for name in skipped} == {"vision_encoder.model"}
    assert "vision_encoder.model.visual" not in skipped


@pytest.mark.parametrize(
    ("waves", "count"),
    [
        ([], 0),
        ([torch.zeros(1, 9)], 2),
        ([torch.zeros(9)], 1),
        ([torch.zeros(1, 0)], 1),
        ([torch.full((1, 9), torch.nan)], 1),
    ],
)
def test_bad_input_is_refused(waves: list[Tensor], count: int, model: SamAudio) -> None:
    with pytest.raises(BadInput):
        model.separate(waves, [Prompt("a")] * count)
