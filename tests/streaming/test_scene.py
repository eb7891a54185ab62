"""The demo scene: small, whole, and its sum is exactly its stems."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from engine.errors import BadInput
from streaming.scene import SCENE_FOLDER, load_scene
from tests.streaming.media_files import tone, write_sound


def test_the_scene_in_the_repository() -> None:
    scene = load_scene()
    assert scene.rate == 48000
    assert scene.mixture.shape == (1, 16 * 48000)
    assert len(scene.stems) >= 2
    assert np.max(np.abs(scene.mixture)) < 1.0
    np.testing.assert_allclose(scene.mixture, sum(stem.samples for stem in scene.stems), atol=1e-6)
    assert all(np.std(stem.samples) > 1e-3 for stem in scene.stems)
    assert scene.reference([scene.default]) is not None
    assert sum(path.stat().st_size for path in SCENE_FOLDER.glob("*.opus")) <= 1_000_000


def test_a_reference_is_what_the_concepts_answer() -> None:
    scene = load_scene()
    voice, rain, siren = scene.stems
    for labels, inverted, expected in (
        (["speech"], False, voice.samples),
        (["rain"], True, voice.samples + siren.samples),
        (["rain", "siren"], False, rain.samples + siren.samples),
    ):
        reference = scene.reference(labels, inverted)
        assert reference is not None
        assert np.max(np.abs(reference - expected)) <= 1e-6
    assert scene.reference(["dog bark"]) is None
    assert scene.reference(["speech", "rain", "siren"]) is None


def test_a_broken_scene_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="scene"):
        load_scene(tmp_path)
    stems = [{"file": "a.wav", "answers": ["a"]}, {"file": "b.wav", "answers": ["b"]}]
    (tmp_path / "scene.json").write_text(json.dumps({"title": "", "default": "a", "stems": stems}))
    write_sound(tmp_path / "a.wav", tone(480), 48000, "pcm_s16le")
    with pytest.raises(BadInput, match=r"b\.wav"):
        load_scene(tmp_path)
    write_sound(tmp_path / "b.wav", tone(481), 48000, "pcm_s16le")
    with pytest.raises(BadInput, match="length"):
        load_scene(tmp_path)
