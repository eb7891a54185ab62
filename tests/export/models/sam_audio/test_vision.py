from __future__ import annotations

import pytest
import torch
from torch import Tensor

from export.models.sam_audio.checkpoint import Checkpoint
from export.models.sam_audio.config import SamAudioConfig
from export.models.sam_audio.errors import CheckpointError, WrongField
from export.models.sam_audio.video import at_latent_frames
from export.models.sam_audio.vision import PREFIX, PictureTower, TowerSizes, to_square
from tests.export.models.sam_audio.conftest import close


@pytest.fixture(scope="module")
def tower(config: SamAudioConfig, checkpoint: Checkpoint) -> PictureTower:
    model = PictureTower(TowerSizes.of(config.vision_encoder, checkpoint, (2, 2))).eval()
    checkpoint.load(model, PREFIX)
    return model


@pytest.mark.parametrize(("item", "frames"), [(0, 21), (1, 13)])
def test_features(item: int, frames: int, tower: PictureTower, reference: dict[str, Tensor]) -> None:
    seen = tower.features(at_latent_frames(reference[f"video.masked{item}"], frames))
    close(seen.T, reference["video.features"][item, :, :frames])
    assert not reference["video.features"][item, :, frames:].any()


def test_the_batch_size_changes_nothing(tower: PictureTower, reference: dict[str, Tensor]) -> None:
    pictures = reference["video.masked0"]
    close(tower.features(pictures, batch=2), tower.features(pictures), 1e-6)
    close(tower.features(pictures).norm(dim=-1), torch.ones(len(pictures)))


def test_pictures_of_any_size_are_squeezed() -> None:
    grey = torch.full((1, 3, 60, 31), 255, dtype=torch.uint8)
    close(to_square(grey, 28), torch.ones(1, 3, 28, 28))


def test_a_tower_whose_heads_are_not_known_is_refused(config: SamAudioConfig, checkpoint: Checkpoint) -> None:
    with pytest.raises(CheckpointError, match="PE-Tiny"):
        TowerSizes.of(config.vision_encoder, checkpoint)
    with pytest.raises(CheckpointError, match="no picture tower"):
        TowerSizes.of(config.vision_encoder, {})
    with pytest.raises(WrongField, match=r"vision_encoder\.heads: expected numbers that divide the width"):
        TowerSizes.of(config.vision_encoder, checkpoint, (3, 2))
    flat = dict(checkpoint) | {PREFIX + "conv1.weight": torch.zeros(3)}
    with pytest.raises(CheckpointError, match="another number of axes"):
        TowerSizes.of(config.vision_encoder, flat, (2, 2))
