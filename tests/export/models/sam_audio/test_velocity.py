from __future__ import annotations

import pytest
import torch
from torch import Tensor

from export.models.sam_audio.codec import Watch
from export.models.sam_audio.spans import Anchors
from export.models.sam_audio.velocity import VelocityField
from tests.export.models.sam_audio.conftest import close

TIMES = [0.0, 0.03125, 0.5, 0.96875]


def velocity(field: VelocityField, z: dict[str, Tensor], case: str, t: float, watch: Watch | None = None) -> Tensor:
    """What the field says in a case of the fixture: `all` (text, spans, picture), `text`, `notext` (spans and picture
    empty), `bare` (text alone; no other branch, no mask)."""
    times = torch.full((2,), t)
    full, bare = case == "all", case == "bare"
    batch = "batchA" if full else "batchB"
    video = z["video.features"] if full else torch.zeros(2, 20, 21)
    anchors = Anchors(z[f"{batch}.anchor_ids"], z[f"{batch}.anchor_alignment"])
    context = field.context(z["audio_features"], None if bare else video, None if bare else anchors, watch)
    told = case != "notext"
    memory = field.memory(times, z["text.features"] if told else None, z["text.mask"] if told else None, watch)
    out: Tensor = field(z["noise"], times, context, memory, None if bare else z["batchA.pad_mask"], watch)
    return out


@pytest.mark.parametrize("t", TIMES)
@pytest.mark.parametrize("case", ["all", "text", "bare"])
def test_velocity(case: str, t: float, field: VelocityField, reference: dict[str, Tensor]) -> None:
    close(velocity(field, reference, case, t), reference[f"velocity.{case}.t{t}"])


def test_velocity_without_text(field: VelocityField, reference: dict[str, Tensor]) -> None:
    close(velocity(field, reference, "notext", 0.5), reference["velocity.notext.t0.5"])


@pytest.fixture(scope="module")
def stages(field: VelocityField, reference: dict[str, Tensor]) -> dict[str, Tensor]:
    """Every stage of `all` at t = 0.5. The reference's branches put out the frames with their own part added."""
    told: dict[str, Tensor] = {}
    velocity(field, reference, "all", 0.5, told.__setitem__)
    picture, spans = told["align_masked_video"], told["embed_anchors"]
    told["embed_anchors"] = told["frames"]
    told["align_masked_video"] = told["frames"] - spans
    told["proj"] = told["frames"] - spans - picture
    return told


@pytest.mark.parametrize(
    "stage",
    [
        "proj", "align_masked_video", "embed_anchors", "timestep_emb", "memory_proj", "x_embedder", "t_embedder",
        "t_block", "y_embedder", "layer0.attention", "layer0.cross_attention", "layer0.feed_forward", "layer0", "norm",
    ],
)  # fmt: skip
def test_stage(stage: str, stages: dict[str, Tensor], reference: dict[str, Tensor]) -> None:
    close(stages[stage], reference[f"internal.all.t0.5.{stage}"])
